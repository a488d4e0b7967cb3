//! Damage of the state's files that no power loss explains: whatever bytes are changed, the state that is opened
//! is one that there was, or none; with snapshot and journal it is whole again. Nothing of the log is touched.

use super::recorded::{Found, Written, check, recorded, temporary};
use std::{fs, path::Path};
use tradewind_faulty_disk::{Random, Replay};

const DAMAGES: usize = 200;

/// Changes a file of the state somewhere.
fn damage(state: &Path, random: &mut Random) -> String {
    let mut files: Vec<_> =
        fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file() && path.metadata().unwrap().len() > 0);
    files.sort();
    let file = &files[random.below(files.len())];
    let mut bytes = fs::read(file).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let at = random.below(used);
    let how = match random.below(4) {
        0 => {
            bytes[at] ^= 1 << random.below(8);
            "a bit changed"
        }
        1 => {
            let end = (at + 1 + random.below(4096)).min(used);
            bytes[at..end].fill(0);
            "a stretch of zeros"
        }
        2 => {
            let end = (at + 1 + random.below(4096)).min(used);
            bytes[at..end].fill_with(|| random.draw() as u8);
            "a stretch of noise"
        }
        _ => {
            bytes.truncate(at);
            "the end cut"
        }
    };
    fs::write(file, bytes).unwrap();
    format!("{how} at byte {at} of {}", file.display())
}

#[test]
fn a_damaged_state_is_made_up_for_whatever_bytes_were_changed() {
    let (home, tape) = recorded();
    let member = home.path().join("member");
    let mut replay = Replay::new(&member);
    tape.iter().for_each(|event| replay.step(event));
    let written = Written::read(home.path());
    let all = written.last();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut random, mut wrong, mut total) = (Random(7), Vec::new(), Found::default());
    for _ in 0..DAMAGES {
        let image = temporary();
        replay.lose_power(&mut random, image.path()).unwrap();
        let how = damage(&image.path().join("state"), &mut random);
        match runtime.block_on(check(image.path(), all, &written)) {
            Ok(found) => {
                total.set_aside += found.set_aside;
                total.from_snapshot += found.from_snapshot;
            }
            Err(what) => wrong.push(format!("{how}: {what}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {DAMAGES}: {wrong:#?}", wrong.len());
    let Found { set_aside, from_snapshot } = total;
    assert!(from_snapshot > 0, "no damage was ever noticed");
    println!(
        "{DAMAGES} damaged states: all made up for; {set_aside} set aside, {from_snapshot} from a snapshot"
    );
}
