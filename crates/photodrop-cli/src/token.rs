//! An access token and when it ends.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// How long before its end a token is renewed.
const MARGIN: Duration = Duration::from_mins(1);

/// An access token. Its claims are read and not verified: that is for the API.
#[derive(Clone)]
pub(crate) struct Token {
    /// As it is sent.
    pub(crate) text: String,
    ends_at: Option<SystemTime>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(…, ends_at: {:?})", self.ends_at)
    }
}

impl Token {
    /// A token that was given; it ends when its claim `exp` says.
    pub(crate) fn given(text: String) -> Self {
        let seconds = claims(&text).and_then(|claims| claims.get("exp")?.as_f64());
        let lasts = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let ends_at = lasts.and_then(|lasts| UNIX_EPOCH.checked_add(lasts));
        Self { text, ends_at }
    }

    /// A token that was just issued for some seconds. Another clock's time does not matter.
    pub(crate) fn issued(text: String, seconds: Option<u64>) -> Self {
        let Some(seconds) = seconds else { return Self::given(text) };
        Self { text, ends_at: SystemTime::now().checked_add(Duration::from_secs(seconds)) }
    }

    /// Whether it ends within a minute, or has ended.
    pub(crate) fn ends_soon(&self) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= SystemTime::now() + MARGIN)
    }

    /// Whether it has ended by this machine's clock.
    pub(crate) fn has_ended(&self) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= SystemTime::now())
    }

    /// Whose it is: the claim `sub`.
    pub(crate) fn subject(&self) -> Option<String> {
        claims(&self.text)?.get("sub")?.as_str().map(str::to_owned)
    }
}

fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(claims: &Value) -> Token {
        Token::given(format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string())))
    }

    #[test]
    fn a_token_ends_when_its_claim_says() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for (exp, soon, ended) in [(now - 5, true, true), (now + 30, true, false), (now + 600, false, false)]
        {
            let token = with(&json!({ "exp": exp, "sub": "jane" }));
            assert_eq!((token.ends_soon(), token.has_ended()), (soon, ended), "{exp}");
            assert_eq!(token.subject().as_deref(), Some("jane"));
        }
    }

    #[test]
    fn debug_output_of_a_token_hides_it() {
        let shown = format!("{:?}", Token::given("opaque".to_owned()));
        assert!(shown.starts_with("Token(…") && !shown.contains("opaque"), "{shown}");
    }

    #[test]
    fn a_token_without_an_end_is_sent() {
        let absurd = json!({ "exp": 1e300 });
        for token in [with(&json!({})), with(&absurd), Token::given("opaque".to_owned())] {
            assert!(!token.ends_soon() && !token.has_ended(), "{token:?}");
        }
    }

    #[test]
    fn an_issued_token_lasts_as_long_as_the_issuer_says() {
        let old = with(&json!({ "exp": 1 })).text;
        assert!(Token::issued(old.clone(), None).has_ended());
        assert!(!Token::issued(old, Some(3600)).ends_soon());
    }
}
