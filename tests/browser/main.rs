//! Browser flows: the real server, Debian's Chromium, a virtual authenticator.
