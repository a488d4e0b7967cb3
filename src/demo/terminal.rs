//! What a person sees and presses. Decides the form of progress, a step a line with a spinner on a
//! terminal, and reads single keys. Gives the terminal back as it was, also after a panic.

use indicatif::{ProgressBar, ProgressStyle};
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use std::{
    io::{Read as _, stdin},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Progress, on standard error when standard output is for a program.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    json: bool,
}

impl Progress {
    pub(crate) fn new(json: bool) -> Self {
        use std::io::IsTerminal as _;
        let bar = (std::io::stderr().is_terminal() && !json).then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, started: Instant::now(), json }
    }

    /// What is being waited for.
    pub(crate) fn doing(&self, what: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.into());
        }
    }

    /// A step is done.
    pub(crate) fn done(&self, what: &str) {
        let line = format!("{:>7.2} s  {what}", self.started.elapsed().as_secs_f32());
        self.say(&line);
    }

    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None if self.json => eprintln!("{line}"),
            None => println!("{line}"),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Single keys from a terminal. Without a terminal there are none.
pub(crate) struct Keys {
    before: Option<Termios>,
    pub(crate) pressed: mpsc::Receiver<char>,
}

impl Keys {
    pub(crate) fn listen(wanted: bool) -> Self {
        let (press, pressed) = mpsc::channel(8);
        let input = stdin();
        if !wanted || !isatty(&input) {
            return Self { before: None, pressed };
        }
        let before = tcgetattr(&input).ok();
        if let Some(mut raw) = before.clone() {
            raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            // A terminal that keeps whole lines still works: the key counts after Enter.
            let _ = tcsetattr(&input, OptionalActions::Now, &raw);
        }
        // Reading cannot be given up; the thread ends with the process.
        std::thread::spawn(move || {
            let mut key = [0_u8; 1];
            while matches!(stdin().read(&mut key), Ok(1)) {
                if press.blocking_send(char::from(key[0])).is_err() {
                    return;
                }
            }
        });
        Self { before, pressed }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}
