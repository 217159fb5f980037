//! Every level of limits in memory: what a check-in is judged by, and what of it follows for each bot, without a database.

use super::App;
use crate::domain::{
    BotFacts, BotId, Decimal, Epoch, Timestamp,
    limits::{Limits, Node, Path},
};
use crate::storage::{limit_overrides::OverrideRow, limits::NodeRow};
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::watch;

/// The levels at one moment.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The epoch of the newest change.
    pub epoch: Epoch,
    nodes: HashMap<Node, Arc<NodeRow>>,
    symbols: HashMap<BotId, Vec<Arc<NodeRow>>>,
    overrides: HashMap<BotId, Vec<OverrideRow>>,
}

impl Tree {
    /// From rows alone.
    pub fn of(rows: Vec<NodeRow>, overrides: Vec<OverrideRow>) -> Self {
        let mut tree = Self::default();
        rows.into_iter().for_each(|row| tree.take(row));
        tree.take_overrides(overrides);
        tree
    }

    /// Replaces the exceptions by those in force.
    fn take_overrides(&mut self, rows: Vec<OverrideRow>) {
        self.overrides.clear();
        for row in rows {
            self.epoch = self.epoch.max(row.epoch);
            self.overrides.entry(row.bot_id.clone()).or_default().push(row);
        }
    }

    /// Every exception in force.
    pub fn all_overrides(&self) -> impl Iterator<Item = &OverrideRow> {
        self.overrides.values().flatten()
    }

    /// The exceptions in force of a bot.
    pub fn overrides(&self, bot: &BotId) -> &[OverrideRow] {
        self.overrides.get(bot).map_or(&[], Vec::as_slice)
    }

    fn take(&mut self, row: NodeRow) {
        if self.nodes.get(&row.node).is_some_and(|known| known.version > row.version) {
            return;
        }
        self.epoch = self.epoch.max(row.epoch);
        let row = Arc::new(row);
        if let Node::Symbol(bot, _) = &row.node {
            let all = self.symbols.entry(bot.clone()).or_default();
            all.retain(|other| other.node != row.node);
            all.push(row.clone());
            all.sort_by(|a, b| a.node.cmp(&b.node));
        }
        self.nodes.insert(row.node.clone(), row);
    }

    /// One level; none: nothing was ever set on it.
    pub fn node(&self, node: &Node) -> Option<&Arc<NodeRow>> {
        self.nodes.get(node)
    }

    /// What is set on one level; nothing when nothing was.
    pub fn limits(&self, node: &Node) -> Limits {
        self.node(node).map(|row| Limits { version: row.version, values: row.values.clone() }).unwrap_or_default()
    }

    /// The levels of a bot's symbols, in order.
    pub fn symbols(&self, bot: &BotId) -> &[Arc<NodeRow>] {
        self.symbols.get(bot).map_or(&[], Vec::as_slice)
    }

    /// Every level.
    pub fn all(&self) -> impl Iterator<Item = &Arc<NodeRow>> {
        self.nodes.values()
    }

    /// The levels above and of a bot that are set, from the installation down.
    pub fn around(&self, bot: &BotFacts) -> Vec<&Arc<NodeRow>> {
        let whole = [Node::Installation, Node::Team(bot.team.clone()), Node::Bot(bot.id.clone())];
        whole.iter().filter_map(|node| self.nodes.get(node)).chain(self.symbols(&bot.id)).collect()
    }

    /// Looks down the path to a bot.
    pub fn path<T>(&self, bot: &BotFacts, then: impl FnOnce(&Path<'_>) -> T) -> T {
        let most = |row: &OverrideRow| Decimal::parse(&row.most).unwrap_or_default();
        let overrides: Vec<(&str, Decimal)> = self.overrides(&bot.id).iter().map(|row| (row.symbol.as_str(), most(row))).collect();
        let values = |node: &Node| self.nodes.get(node).map(|row| &row.values);
        let symbols: Vec<(&str, &Map<String, Value>)> = self.symbols(&bot.id).iter().map(|row| (row.node.symbol(), &row.values)).collect();
        then(&Path {
            installation: values(&Node::Installation),
            team: values(&Node::Team(bot.team.clone())),
            bot: values(&Node::Bot(bot.id.clone())),
            symbols: &symbols,
            overrides: &overrides,
        })
    }
}

/// The levels of now, and a wake for whoever makes them true of every bot.
pub struct LimitBook {
    tree: RwLock<Arc<Tree>>,
    moved: watch::Sender<Epoch>,
}

impl Default for LimitBook {
    fn default() -> Self {
        Self { tree: RwLock::default(), moved: watch::Sender::new(Epoch(0)) }
    }
}

impl LimitBook {
    /// The levels of now.
    pub fn tree(&self) -> Arc<Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Takes in levels that were read.
    pub(crate) fn take(&self, rows: Vec<NodeRow>, overrides: Vec<OverrideRow>) {
        let (is_same, epoch) = {
            let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
            let is_same = rows.is_empty()
                && overrides.len() == tree.overrides.values().map(Vec::len).sum::<usize>()
                && overrides.iter().all(|row| tree.overrides(&row.bot_id).contains(row));
            if !is_same {
                let next = Arc::make_mut(&mut tree);
                rows.into_iter().for_each(|row| next.take(row));
                next.take_overrides(overrides);
            }
            (is_same, tree.epoch)
        };
        if !is_same {
            self.moved.send_replace(epoch);
        }
    }
    /// Wakes when levels have changed.
    pub(crate) fn moves(&self) -> watch::Receiver<Epoch> {
        self.moved.subscribe()
    }
}

impl App {
    /// Every level of limits, as they are now.
    pub fn limit_tree(&self) -> Arc<Tree> {
        self.limit_book.tree()
    }

    /// True when somebody should have looked at a level again by now.
    pub fn is_review_due(&self, row: &NodeRow, now: Timestamp) -> bool {
        row.review_by.is_some_and(|by| by < now)
    }
}
