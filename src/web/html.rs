//! Ready markup, and the escaping that makes text into it. Whoever builds `Html` has escaped what came from outside.

use std::fmt;

/// Markup that templates print as it is. Made from parts of our own and from text through [`Html::text`] or [`escape`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Takes finished markup of our own.
    pub(super) fn markup(markup: String) -> Self {
        Self(markup)
    }
    /// Makes text safe to stand in a page or in an attribute in double quotes.
    pub fn text(text: &str) -> Self {
        Self(escape(text))
    }
    /// The markup.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Html {}

/// Escapes the five characters that mean something in HTML.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_stays_text() {
        let name = r#"<b onclick="x">O'Neil & Co</b>"#;
        assert_eq!(Html::text(name).as_str(), "&lt;b onclick=&quot;x&quot;&gt;O&#39;Neil &amp; Co&lt;/b&gt;");
    }
}
