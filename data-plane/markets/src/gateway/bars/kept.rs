//! For which instruments of a Market there are bars. Decides that: those whose trades sessions read, while there is room, and those
//! that somebody asked for, of which the one that was asked for longest ago makes room once it is asked for no more. Where trades are missing shows by their
//! numbers; what that means for a bar is decided in `domain::trading::bars`.

use super::{Asked, Told};
use crate::{hop::trades::Numbered, limits::BARS_ASKED_WITHIN};
use std::collections::BTreeMap;
use tradewind_domain::{
    ids::InstrumentId,
    time::{Monotonic, UnixNanos},
    trading::bars::{Part, RawBar, Series},
};
use tradewind_protocol::stream::Position;

#[derive(Default)]
struct Held {
    /// What was read, and up to where; none before its source has said where it stands.
    read: Option<(Series, Position)>,
    /// When somebody asked for its bars last.
    asked: Option<Monotonic>,
}

impl Held {
    /// The stream stands there. What lies between that and what was read is missing.
    fn stands(&mut self, stand: Position, now: UnixNanos) -> &mut (Series, Position) {
        let read = self.read.get_or_insert_with(|| (Series::begin(now), stand.clone()));
        if read.1 != stand {
            read.0.missing(now);
            read.1 = stand;
        }
        read
    }
}

/// All that is kept is used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

pub(crate) struct Kept {
    most: usize,
    held: BTreeMap<InstrumentId, Held>,
}

impl Kept {
    /// Of so many instruments.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: BTreeMap::new() }
    }

    /// A session reads its trades: bars are kept if there is room. True if its trades are to be read for that.
    pub(crate) fn follow(&mut self, instrument: &InstrumentId) -> bool {
        if self.held.contains_key(instrument) || self.held.len() >= self.most {
            return false;
        }
        self.held.insert(instrument.clone(), Held::default());
        true
    }

    /// No session reads its trades any more. True if nobody has asked for its bars either: it is forgotten.
    pub(crate) fn leave(&mut self, instrument: &InstrumentId) -> bool {
        let unasked = self.held.get(instrument).is_some_and(|held| held.asked.is_none());
        if unasked {
            self.held.remove(instrument);
        }
        unasked
    }

    /// Makes room for an instrument; gives the one that is forgotten for it: none that is read by sessions, nor one that was asked for
    /// lately.
    pub(crate) fn make_room(
        &mut self,
        instrument: &InstrumentId,
        is_read: impl Fn(&InstrumentId) -> bool,
        now: Monotonic,
    ) -> Result<Option<InstrumentId>, NoRoom> {
        if self.held.contains_key(instrument) || self.held.len() < self.most {
            return Ok(None);
        }
        let lately = |asked: Option<Monotonic>| {
            asked.is_some_and(|asked| now.since(asked) < BARS_ASKED_WITHIN)
        };
        let unused = self.held.iter().filter(|(of, held)| !lately(held.asked) && !is_read(of));
        let (longest_ago, _) = unused.min_by_key(|(_, held)| held.asked).ok_or(NoRoom)?;
        let longest_ago = longest_ago.clone();
        self.held.remove(&longest_ago);
        Ok(Some(longest_ago))
    }

    /// Its bars are asked for. True if its trades are to be read for that.
    pub(crate) fn ask(&mut self, instrument: &InstrumentId, now: Monotonic) -> bool {
        let new = !self.held.contains_key(instrument);
        self.held.entry(instrument.clone()).or_default().asked = Some(now);
        new
    }

    /// Where the stream stands: what comes next follows on that.
    pub(crate) fn stand(&mut self, instrument: &InstrumentId, stand: Position, now: UnixNanos) {
        if let Some(held) = self.held.get_mut(instrument) {
            held.stands(stand, now);
        }
    }

    pub(crate) fn trade(&mut self, instrument: &InstrumentId, numbered: Numbered, now: UnixNanos) {
        let Some(held) = self.held.get_mut(instrument) else { return };
        let Numbered { epoch, seq, prev, trade } = numbered;
        let (series, read) = held.stands(Position { epoch, seq: prev }, now);
        series.trade(now, &trade);
        read.seq = seq;
    }

    /// The bars that are meant, as they are now; `away`: their source is.
    pub(crate) fn told(
        &mut self,
        instrument: &InstrumentId,
        asked: &Asked,
        (away, now): (bool, UnixNanos),
    ) -> Told {
        let Asked { timeframe, start, end, most } = *asked;
        let read = self.held.get_mut(instrument).and_then(|held| held.read.as_mut());
        let Some((series, _)) = read else { return Told::default() };
        series.tick(now);
        let from = start.unwrap_or_default();
        // One more tells where the next ones begin.
        let part = start.map_or(Part::Last(most), |_| Part::First(most.saturating_add(1)));
        let look = |series: &Series| Told {
            from: Some(series.since()),
            bars: series.bars(timeframe, (from, end), part, now),
            gaps: series.gaps(from, end).collect(),
            next: None,
        };
        let mut told = if away { series.while_away(now, look) } else { look(series) };
        if start.is_some() {
            told.next = first(&mut told.bars, most);
        }
        told
    }
}

/// Leaves so many of them; gives when the next one begins.
fn first(bars: &mut Vec<RawBar>, most: usize) -> Option<UnixNanos> {
    let next = bars.get(most).map(RawBar::at);
    bars.truncate(most);
    next
}
