//! Where to go on after signing in: a path of ours, or home.

/// A path of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next(String);

impl Default for Next {
    fn default() -> Self {
        Self("/fleet".to_owned())
    }
}

impl Next {
    /// Takes a path with its query. Whatever could lead away from here becomes home.
    pub fn of(text: &str) -> Self {
        let is_ours = text.starts_with('/') && !text.starts_with("//") && text.len() <= 512;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if is_ours && is_plain && !text.starts_with("/sign-") { Self(text.to_owned()) } else { Self::default() }
    }
    /// The path.
    pub fn path(&self) -> &str {
        &self.0
    }
    /// `address?next=…`; nothing is added for home.
    pub fn on(&self, address: &str) -> String {
        if *self == Self::default() {
            return address.to_owned();
        }
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &self.0).finish();
        format!("{address}?{query}")
    }
}

impl<'de> serde::Deserialize<'de> for Next {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(from).map(|text| Self::of(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_away_from_here() {
        for away in ["https://evil.example", "//evil.example", "/\\evil.example", "fleet", "", "/a\nb", "/sign-in"] {
            assert_eq!(Next::of(away), Next::default(), "{away}");
        }
        assert_eq!(Next::of("/holds/1?x=2").on("/sign-in"), "/sign-in?next=%2Fholds%2F1%3Fx%3D2");
        assert_eq!(Next::default().on("/sign-in"), "/sign-in");
    }
}
