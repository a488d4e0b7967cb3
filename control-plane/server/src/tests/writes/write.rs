//! One address that changes something. Decides how a row of the tables says what is asked for rightly, how it is asked for
//! wrongly, and what cannot be wrong with it; in whose name it is asked for.

use super::fault::Fault;
use serde_json::Value;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code,
    terms::{WHO, WHY, format_text},
};

/// Who asks for all that is asked for rightly.
pub(super) const ASKS: &str = "table";

/// What is asked for wrongly stands beside what is asked for rightly.
pub(super) struct Write {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
    /// Takes `If-Match`.
    pub(super) conditional: bool,
    /// Takes who asks for it, and why.
    pub(super) audited: bool,
    /// Here it is only asked for wrongly: done, it would change the group that the test runs on.
    pub(super) only_wrong: bool,
    /// Nobody is told of it: it changes nothing here.
    pub(super) untold: bool,
    pub(super) wrong: Vec<(String, Value, Code)>,
    /// What cannot be wrong with it, and why not.
    pub(super) lacks: Vec<(Fault, &'static str)>,
    /// What another test shows of it.
    pub(super) shown: Vec<Fault>,
}

pub(super) fn write(method: Method, path: &str, body: Value) -> Write {
    Write {
        method,
        path: path.to_owned(),
        body,
        conditional: false,
        audited: false,
        only_wrong: false,
        untold: false,
        wrong: Vec::new(),
        lacks: Vec::new(),
        shown: Vec::new(),
    }
}

pub(super) fn put(path: &str, body: Value) -> Write {
    Write { conditional: true, audited: true, ..write(Method::PUT, path, body) }
}

pub(super) fn delete(path: &str) -> Write {
    Write { conditional: true, audited: true, ..write(Method::DELETE, path, Value::Null) }
}

pub(super) fn audited(write: Write) -> Write {
    Write { audited: true, ..write }
}

pub(super) fn only_wrong(write: Write) -> Write {
    Write { only_wrong: true, ..write }
}

impl Write {
    /// The same request at another address.
    pub(super) fn at(self, path: &str, code: Code) -> Self {
        let body = self.body.clone();
        self.wrong(path.to_owned(), body, code)
    }

    /// The same request with another body.
    pub(super) fn with(self, body: Value, code: Code) -> Self {
        let path = self.path.clone();
        self.wrong(path, body, code)
    }

    /// The same request with one field changed.
    pub(super) fn field(self, name: &str, value: Value, code: Code) -> Self {
        let mut body = self.body.clone();
        body[name] = value;
        self.with(body, code)
    }

    /// The request itself, as things are.
    pub(super) fn refused(self, code: Code) -> Self {
        let body = self.body.clone();
        only_wrong(self.with(body, code))
    }

    /// The same request for a name that is too long by one letter.
    pub(super) fn long_name(self) -> Self {
        let (before, _) = self.path.rsplit_once('/').unwrap();
        let path = format!("{before}/{}", "n".repeat(64));
        self.at(&path, Code::MalformedRequest)
    }

    /// What cannot be wrong with it.
    pub(super) fn without(mut self, fault: Fault, why: &'static str) -> Self {
        self.lacks.push((fault, why));
        self
    }

    /// What is shown of it by a test of its own: of a repeat also that it is told once, to whom it is told at all.
    pub(super) fn shown_by(mut self, fault: Fault, _test: fn()) -> Self {
        self.shown.push(fault);
        self
    }

    fn wrong(mut self, path: String, body: Value, code: Code) -> Self {
        self.wrong.push((path, body, code));
        self
    }

    /// The answer to the request itself where that is refused.
    pub(super) fn refusal(&self) -> Option<Code> {
        let mut whole =
            self.wrong.iter().filter(|(path, body, _)| (path, body) == (&self.path, &self.body));
        whole.next().map(|(.., code)| *code)
    }

    /// Why it is asked for: the same for all requests of one method at one address.
    pub(super) fn why(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Its body with who asks and why, where that is said there.
    pub(super) fn said(&self) -> Value {
        let mut body = self.body.clone();
        if body.get("who").is_some() {
            (body["who"], body["why"]) = (ASKS.into(), self.why().into());
        }
        body
    }

    /// The headers in which it is said where they are taken.
    pub(super) fn says(&self) -> Vec<(&'static str, String)> {
        let said = [(WHO, format_text(ASKS)), (WHY, format_text(&self.why()))];
        said.into_iter().filter(|_| self.audited).collect()
    }

    /// Whether whoever watches is told who asked for it, and why.
    pub(super) fn is_told(&self) -> bool {
        let said = self.audited || self.body.get("who").is_some();
        said && !self.only_wrong && !self.untold
    }
}
