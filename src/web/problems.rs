//! What is wrong with a form that was sent: one line per field, shown in a summary on top and again at the field.

use super::WebError;
use crate::app::AppError;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field's name, which is also its id; empty when it concerns the form as a whole.
    pub field: &'static str,
    /// What to do about it, as a sentence: `Enter a name of 1 to 64 characters`.
    pub words: String,
}

/// Everything that is wrong with a form; empty when it was not sent yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Nothing is wrong, or nothing was sent.
    pub fn none() -> Self {
        Self::default()
    }
    /// One thing is wrong.
    pub fn one(field: &'static str, words: impl Into<String>) -> Self {
        let mut problems = Self::default();
        problems.add(field, words);
        problems
    }
    /// What a use case says is wrong with the fields of a form, or with the form as a whole. Every other error is passed on: no form mends it.
    ///
    /// # Errors
    /// The error itself, when it is not about the form.
    pub fn of_error(error: AppError) -> Result<Self, WebError> {
        let is_about_form = matches!(error, AppError::Invalid(_) | AppError::Conflict(_) | AppError::Key(_) | AppError::TooMany(_));
        let error = WebError::from(error);
        if !is_about_form {
            return Err(error);
        }
        let mut problems = Self::default();
        for (field, said) in &error.fields {
            problems.add(field, said.clone());
        }
        if error.fields.is_empty() {
            error.reasons.into_iter().for_each(|said| problems.add("", said));
        }
        Ok(problems)
    }
    /// The same where this form calls a field otherwise than the use case does.
    #[must_use]
    pub fn renamed(mut self, from: &str, to: &'static str) -> Self {
        self.0.iter_mut().filter(|problem| problem.field == from).for_each(|problem| problem.field = to);
        self
    }
    /// Adds a thing that is wrong.
    pub fn add(&mut self, field: &'static str, words: impl Into<String>) {
        self.0.push(Problem { field, words: words.into() });
    }
    /// True when nothing is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// All of them, in the order of the form.
    pub fn all(&self) -> &[Problem] {
        &self.0
    }
    /// What is wrong with one field; empty when nothing is.
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|problem| problem.field == field).map_or("", |problem| problem.words.as_str())
    }
}
