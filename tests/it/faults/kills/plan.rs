//! What is killed, where, and what people are doing meanwhile.

/// What goes on at the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum During {
    /// Somebody presses.
    Press,
    /// Somebody presses while another process holds the database's lock: the hold goes to the spool, and is committed late.
    LockedPress,
    /// Somebody presses while the database takes nothing: the hold goes to the spool, and is merged later.
    FailedPress,
    /// The same, and then the spool is lost with the server: only agents know of the hold.
    LostSpool,
    /// A hold of the fleet is released, by two people.
    Release,
    /// Bots are started.
    Start,
    /// An agent was killed a moment before; a new one boots.
    Boot,
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Server,
    Agent,
    Minder,
    AgentAndMinder,
    Launcher,
    Bot,
}

/// One kill.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub during: During,
    pub victim: Victim,
    /// Where; none: at any moment.
    pub point: Option<&'static str>,
}

/// Every plan once.
pub fn deck() -> Vec<Plan> {
    use During::{Boot, FailedPress, LockedPress, LostSpool, Press, Release, Start};
    use Victim::{Agent, AgentAndMinder, Bot, Launcher, Minder, Server};
    let at: [(During, Victim, &[&'static str]); 14] = [
        (Press, Server, &["place:before", "place:before_commit", "place:committed", "place:pushed", "push:before", "push:said"]),
        (Press, Server, &["said:before_commit", "said:committed", "evidence:piece"]),
        (Press, Agent, &["agent:before_memory", "agent:before_rename", "agent:memory", "agent:before_apply", "agent:applied"]),
        (Press, Launcher, &["launcher:before_end"]),
        (LockedPress, Server, &["place:before_spool", "spool:written", "place:spooled", "place:committed"]),
        (FailedPress, Server, &["place:before_spool", "spool:written", "place:spooled", "merge:recorded", "merge:dropped"]),
        (LostSpool, Server, &["import:before_commit", "import:committed"]),
        (Release, Server, &["act:before_signed", "act:signed", "act:before_commit", "act:committed"]),
        (Release, Server, &["publish:before_mark", "mark:before_rename", "publish:mark", "publish:checkpoint"]),
        (Release, Server, &["sink:before_write", "sink:written", "sink:entries"]),
        (Start, Server, &["act:before_commit", "act:committed"]),
        (Start, Agent, &["agent:before_memory", "agent:before_rename", "agent:memory", "agent:before_apply", "agent:applied"]),
        (Start, Launcher, &["launcher:started"]),
        (Boot, Server, &["fact:before_commit", "fact:committed"]),
    ];
    let at = at.into_iter().flat_map(|(during, victim, points)| points.iter().map(move |point| (during, victim, Some(*point))));
    let minder = ["minder:before_halt", "minder:halted"].map(|point| (Boot, Minder, Some(point)));
    let all = [Server, Agent, Minder, AgentAndMinder, Launcher, Bot];
    let any = [Press, Start].into_iter().flat_map(|during| all.map(|victim| (during, victim, None)));
    at.chain(minder).chain(any).map(|(during, victim, point)| Plan { during, victim, point }).collect()
}
