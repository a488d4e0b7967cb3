//! What was told of a log so far. Decides from where a Manager tells on, that a piece is shown once it is whole, so that its
//! place and what was shown are never apart, and where a line says that words may be missing: where a Manager tells less than
//! all that it keeps, is of a build that tells no places, or is another than the one whose words broke off.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    mem,
};
use tradewind_domain::ids::ManagerId;
use tradewind_node::{
    limits::{LOG_LINES, LOG_TOLD_BYTES},
    log_file::PieceHead,
};

/// Told in place of what may have been said meanwhile.
pub(super) const MISSING: &str =
    "tradewind: words may be missing here: not all that was said meanwhile is told\n";
/// A line before a piece is far shorter.
const HEAD_BYTES_MAX: usize = 256;
/// The first piece has at most as many as the last lines may have; a word that some are missing comes with them.
const PIECE_BYTES_MAX: u64 = 2 * LOG_TOLD_BYTES;

pub(super) struct Told<W> {
    out: W,
    /// How far the log of each Manager that tells it was shown.
    places: BTreeMap<ManagerId, String>,
    /// Who told something last.
    last: Option<ManagerId>,
    /// What he told broke off before its end.
    broke: bool,
    ends_a_line: bool,
}

impl<W: Write> Told<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, places: BTreeMap::new(), last: None, broke: false, ends_a_line: true }
    }

    /// What is asked for: at first so many of the last lines, later on what was not shown yet. Of a Manager that was not asked
    /// before as many as usual: what it said before it was found is among them.
    pub(super) fn query(&self, manager: &ManagerId, first_lines: usize, places: bool) -> String {
        let lines = match &self.last {
            None => first_lines,
            Some(last) if last == manager && !places => 0,
            Some(_) => LOG_LINES,
        };
        match self.places.get(manager) {
            _ if !places => format!("lines={lines}"),
            None => format!("lines={lines}&places=true"),
            Some(place) => format!("lines={lines}&places=true&from={place}"),
        }
    }

    /// Begins to take an answer.
    pub(super) fn reading<'a>(
        &'a mut self,
        manager: &'a ManagerId,
        places: bool,
    ) -> Reading<'a, W> {
        Reading { told: self, manager, places, began: false, unread: Vec::new() }
    }

    /// An answer of this Manager has begun.
    fn begins(&mut self, manager: &ManagerId, cut: bool) -> io::Result<()> {
        let same = self.last.as_ref() == Some(manager);
        let goes_on = same && self.places.contains_key(manager);
        let missing = self.last.is_some() && (cut || self.broke && !goes_on);
        if !self.ends_a_line && (missing || !same) {
            self.show(b"\n")?;
        }
        if missing {
            self.show(MISSING.as_bytes())?;
        }
        self.last = Some(manager.clone());
        self.broke = false;
        Ok(())
    }

    fn show(&mut self, text: &[u8]) -> io::Result<()> {
        self.ends_a_line = text.last().map_or(self.ends_a_line, |byte| *byte == b'\n');
        self.out.write_all(text)?;
        self.out.flush()
    }
}

/// An answer while it comes.
pub(super) struct Reading<'a, W> {
    told: &'a mut Told<W>,
    manager: &'a ManagerId,
    places: bool,
    began: bool,
    /// The beginning of a piece.
    unread: Vec<u8>,
}

impl<W: Write> Reading<'_, W> {
    /// Shows what is whole with these bytes; without places that is all.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.places {
            // From where it goes on is not known, and how far it was shown no more.
            self.begins(true)?;
            self.told.places.remove(self.manager);
            return self.told.show(bytes);
        }
        self.unread.extend_from_slice(bytes);
        while let Some((head, text)) = whole_piece(&mut self.unread)? {
            self.begins(head.cut)?;
            self.told.show(&text)?;
            self.told.places.insert(self.manager.clone(), head.place);
        }
        Ok(())
    }

    fn begins(&mut self, cut: bool) -> io::Result<()> {
        if mem::replace(&mut self.began, true) {
            return Ok(());
        }
        self.told.begins(self.manager, cut)
    }

    /// Whether it came to its end; one that has not begun leaves everything as it was.
    pub(super) fn ends(self, whole: bool) {
        if self.began {
            self.told.broke = !whole;
        }
    }
}

/// Takes the first piece off, with the line before it.
fn whole_piece(unread: &mut Vec<u8>) -> io::Result<Option<(PieceHead, Vec<u8>)>> {
    let other_form = || io::Error::new(io::ErrorKind::InvalidData, "its places have another form");
    let Some(end) = unread.iter().position(|byte| *byte == b'\n') else {
        return if unread.len() > HEAD_BYTES_MAX { Err(other_form()) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&unread[..end]).ok();
    let head = head.and_then(|line| line.parse::<PieceHead>().ok()).ok_or_else(other_form)?;
    if head.bytes > PIECE_BYTES_MAX {
        return Err(other_form());
    }
    let begin = end + 1;
    let whole = usize::try_from(head.bytes).map_err(io::Error::other)? + begin;
    if unread.len() < whole {
        return Ok(None);
    }
    let rest = unread.split_off(whole);
    let text = mem::replace(unread, rest).split_off(begin);
    Ok(Some((head, text)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn manager(name: &str) -> ManagerId {
        format!("{name}.trader-manager").parse().unwrap()
    }

    fn told() -> Told<Vec<u8>> {
        Told::new(Vec::new())
    }

    /// An answer in these pieces of the wire.
    fn reads(told: &mut Told<Vec<u8>>, from: &str, places: bool, wire: &[&str], whole: bool) {
        let manager = manager(from);
        let mut reading = told.reading(&manager, places);
        for bytes in wire {
            reading.take(bytes.as_bytes()).unwrap();
        }
        reading.ends(whole);
    }

    fn shown(told: &Told<Vec<u8>>) -> &str {
        std::str::from_utf8(&told.out).unwrap()
    }

    #[test]
    fn a_piece_is_shown_once_it_is_whole_and_its_manager_tells_on_from_there() {
        // given: one that breaks off in its third piece
        let mut told = told();
        assert_eq!(told.query(&manager("a"), 9, true), "lines=9&places=true");
        reads(
            &mut told,
            "a",
            true,
            &["3-3-f", " 4 cut\non", "e\n5-3", "-f 2\ntw9-9-f 2\no"],
            false,
        );
        assert_eq!(shown(&told), "one\ntw");
        // when: its next life is asked
        let asked = told.query(&manager("a"), 9, true);
        reads(&mut told, "a", true, &["5-3-f 0\n", "9-9-f 2\no\n"], false);
        // then: nothing is missing
        assert_eq!(asked, "lines=200&places=true&from=5-3-f");
        assert_eq!(shown(&told), "one\ntwo\n");
        assert_eq!(told.query(&manager("a"), 9, true), "lines=200&places=true&from=9-9-f");
    }

    #[test]
    fn where_a_place_is_not_kept_or_another_tells_on_it_is_said_that_words_may_be_missing() {
        for (from, first, whole, then, missing) in [
            // Of the same: from its place, or from where it can.
            ("a", "1-1-f 2\nx\n", false, "1-1-f 0\n", false),
            ("a", "1-1-f 2\nx\n", false, "1-1-f 0 cut\n", true),
            // Of another: all of its own after all of the first.
            ("b", "1-1-f 2\nx\n", true, "1-1-f 0\n", false),
            ("b", "1-1-f 2\nx\n", true, "1-1-f 0 cut\n", true),
            ("b", "1-1-f 2\nx\n", false, "1-1-f 0\n", true),
            // After one that told nothing there is nothing to miss.
            ("b", "1-1-f 2\nx", false, "1-1-f 0 cut\n", false),
        ] {
            // given
            let mut told = told();
            reads(&mut told, "a", true, &[first], whole);
            // when
            reads(&mut told, from, true, &[then], true);
            // then
            assert_eq!(shown(&told).ends_with(MISSING), missing, "{from} {first} {whole} {then}");
        }
    }

    #[test]
    fn it_is_said_in_a_line_of_its_own_and_once() {
        // given
        let mut told = told();
        reads(&mut told, "a", true, &["1-1-f 1\nx"], false);
        // when
        reads(&mut told, "b", true, &["2-2-f 1\ny"], false);
        reads(&mut told, "b", true, &["2-2-f 1\nz"], true);
        reads(&mut told, "c", true, &["1-1-f 2\nv\n"], true);
        // then
        assert_eq!(shown(&told), format!("x\n{MISSING}yz\nv\n"));
    }

    #[test]
    fn of_a_manager_that_tells_no_places_all_is_shown_as_it_comes() {
        // given
        let mut told = told();
        assert_eq!(told.query(&manager("a"), 9, false), "lines=9");
        reads(&mut told, "a", false, &["on", "e\n"], false);
        assert_eq!(shown(&told), "one\n");
        // when
        let asked = ["a", "b"].map(|name| told.query(&manager(name), 9, false));
        reads(&mut told, "a", false, &["two\n"], false);
        // then: what it said in between is not told
        assert_eq!(asked, ["lines=0", "lines=200"]);
        assert_eq!(shown(&told), format!("one\n{MISSING}two\n"));
        // and behind what was shown without them no place from before is gone back to
        reads(&mut told, "a", true, &["1-1-f 0\n"], true);
        reads(&mut told, "a", false, &["three\n"], true);
        assert_eq!(told.query(&manager("a"), 9, true), "lines=200&places=true");
    }

    #[test]
    fn what_is_no_piece_is_refused() {
        let manager = manager("a");
        let endless = "x".repeat(HEAD_BYTES_MAX + 1);
        for bad in ["words of a log\n", "1-1-f 9999999\n", &endless] {
            let mut told = told();
            let refused = told.reading(&manager, true).take(bad.as_bytes()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{bad}");
        }
    }
}
