//! On which condition, and in whose name, a change is made: the headers beside its body. Decides how each stands
//! there. Texts are percent-encoded UTF-8, since a header takes ASCII alone.

use crate::{
    Code, Problem,
    resources::{IF_MATCH, IF_NONE_MATCH, format_etag},
};
use tradewind_domain::{
    control::{drain::By, resource::Condition},
    ids::{ClientId, Revision},
};

/// Who asks for a change of what is declared. Without it: the client of the `Idempotency-Key`.
pub const WHO: &str = "tradewind-who";
/// And why.
pub const WHY: &str = "tradewind-why";

/// What goes with a change besides its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub on: Condition,
    pub who: Option<String>,
    pub why: Option<String>,
}

impl From<Condition> for Terms {
    fn from(on: Condition) -> Self {
        Self { on, ..Self::default() }
    }
}

impl Terms {
    /// As headers of a request.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let condition = match self.on {
            Condition::Always => None,
            Condition::Absent => Some((IF_NONE_MATCH, "*".to_owned())),
            Condition::Present => Some((IF_MATCH, "*".to_owned())),
            Condition::At(revision) => Some((IF_MATCH, format_etag(revision))),
        };
        let who = self.who.as_deref().map(|who| (WHO, format_text(who)));
        let why = self.why.as_deref().map(|why| (WHY, format_text(why)));
        condition.into_iter().chain(who).chain(why).collect()
    }

    /// Who asks, in the end: at least the client whose key it is.
    #[must_use]
    pub fn by(&self, client: &ClientId) -> By {
        let who = self.who.clone().unwrap_or_else(|| client.to_string());
        By { who, why: self.why.clone().unwrap_or_default() }
    }

    /// The condition of a change at a revision that was read.
    #[must_use]
    pub fn at(mut self, revision: Option<Revision>) -> Self {
        self.on = revision.map_or(Condition::Absent, Condition::At);
        self
    }
}

/// A text as it stands in a header. Blanks at its ends are encoded: of a header's value they are no part.
#[must_use]
pub fn format_text(text: &str) -> String {
    let mut encoded = String::new();
    let last = text.len().saturating_sub(1);
    for (place, byte) in text.bytes().enumerate() {
        let plain = match byte {
            b' ' => place != 0 && place != last,
            byte => (b'!'..=b'~').contains(&byte) && byte != b'%',
        };
        if plain {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Reads what [`format_text`] wrote; whatever stands there plainly is read as well.
pub fn parse_text(name: &str, value: &[u8]) -> Result<String, Problem> {
    decode(value).ok_or_else(|| {
        let detail = format!(
            "{name} is text in UTF-8 without control characters; what is not ASCII, and %, stands percent-encoded, \
             such as %C3%A9"
        );
        Problem::new(Code::MalformedRequest, detail)
    })
}

fn decode(value: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_as_it_was_written() {
        for text in ["", "ann", "50 % off", "später: größer", "a\u{1F600}b", "x=1, \"y\""] {
            let written = format_text(text);
            assert!(written.is_ascii(), "{written}");
            assert_eq!(parse_text(WHY, written.as_bytes()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_text_keeps_its_outer_blanks_though_those_of_a_header_are_dropped() {
        for text in [" ", "  ", " ann", "ann ", "  an upgrade  "] {
            let written = format_text(text);
            assert_eq!(written.trim(), written);
            assert_eq!(parse_text(WHY, written.as_bytes()).as_deref(), Ok(text));
        }
        assert_eq!(format_text(" a b "), "%20a b%20");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for bad in ["%", "%4", "%zz", "%C3", "%0A", "a\tb"] {
            let problem = parse_text(WHY, bad.as_bytes()).map_err(|problem| problem.code);
            assert_eq!(problem, Err(Code::MalformedRequest), "{bad}");
        }
    }
}
