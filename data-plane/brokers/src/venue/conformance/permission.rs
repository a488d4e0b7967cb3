//! The right to connect, as cases give it. Decides that a connect for which nobody was asked is found.

use super::{
    Stage, Verdict,
    line::{Line, expect},
};
use crate::venue::{Dials, Permission, Purpose};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::sync::{Arc, Mutex, PoisonError};

/// Every dial may be made; those that were asked for are kept.
#[derive(Default)]
pub(crate) struct Asked(Mutex<Vec<Dials>>);

impl Asked {
    fn purposes(&self) -> Vec<Purpose> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().map(|dials| dials.purpose).collect()
    }
}

impl Permission for Asked {
    fn granted(&self, dials: Dials) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(dials);
        std::future::ready(()).boxed()
    }
}

/// Each kind of connection is asked for, as what it is.
pub(super) async fn asks(stage: &dyn Stage) -> Verdict {
    let asked = Arc::new(Asked::default());
    let _line = Line::connect_by(stage, asked.clone()).await?;
    let purposes = asked.purposes();
    expect(purposes == [Purpose::Orders], || format!("asked for {purposes:?}"))?;
    if !stage.venue().capabilities().data_connections {
        return Ok(());
    }
    let asked = Arc::new(Asked::default());
    let _line = Line::connect_for_data_by(stage, asked.clone()).await?;
    let purposes = asked.purposes();
    expect(purposes == [Purpose::MarketData], || format!("asked for {purposes:?}"))
}
