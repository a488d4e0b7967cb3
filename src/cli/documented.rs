//! Every command line that README and docs tell somebody to give is one that this program takes: parsed as it stands there, with
//! samples for what stands for a name, and its flags are enough for what it declares. Decides what counts as a command line;
//! decisions and the changelog tell of earlier times.

use super::*;
use crate::cli::{
    logs,
    resource::{Action, Flags, OrService, ResourceCommand, TraderAction, TraderArgs},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

const MEMBERS: &str = "127.0.0.1:4001";
const GROUP: &str = "--init 1=127.0.0.1:4101,127.0.0.1:4001 --init 2=127.0.0.1:4102,127.0.0.1:4002";

/// What a reader puts for it.
fn sample(word: &str) -> Option<&'static str> {
    Some(match word {
        "N" | "NUMBER" | "REVISION" | "REQUEST" => "7",
        "TEXT" | "WHY" => "text",
        "NAME" | "TRADER" | "ACCOUNT" | "ID" | "KEY" | "LOCATION" => "name",
        "CUSTOMER" => "acme",
        "MARKET" => "crypto",
        "INSTRUMENT" | "I,..." => "BTC/USD",
        "VENUE" => "sim",
        "TARGET" | "IMPLEMENTATION" => "a1",
        "MANAGER" => "a1.trader-manager",
        "DIR" | "FILE" => "dir",
        "TIME" => "10m",
        "BASE64" => "a2V5",
        "HOST:PORT" => MEMBERS,
        _ => return None,
    })
}

fn pages() -> Vec<PathBuf> {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("decisions") {
                below(&path, found);
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    below(&root.join("docs"), &mut found);
    found.sort();
    found
}

/// Command lines of a page: lines of its blocks, fenced or indented, and what stands between backquotes.
fn commands_of(page: &str) -> Vec<String> {
    let (mut found, mut text, mut fenced) = (Vec::new(), String::new(), false);
    for line in page.replace("\\\n", " ").lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            found.push(line.trim().to_owned());
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    // What is said behind a command has commands of its own.
    let behind: Vec<String> =
        found.iter().filter_map(|line| Some(line.split_once(" # ")?.1.to_owned())).collect();
    let spans =
        |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    found.extend(spans(&text));
    found.extend(behind.iter().flat_map(|text| spans(text)));
    found.retain(|line| line.starts_with("tradewind ") || line.contains("| tradewind "));
    found
}

/// As a shell takes it apart, up to a comment or a pipe.
fn words(line: &str) -> Vec<String> {
    let line = line.replace("$GROUP", GROUP).replace("$ALL", GROUP).replace("$M", MEMBERS);
    let line = line.replace("$CLUSTER", "tradewind").replace("$n", "1").replace(['[', ']'], "");
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars().chain([' ']) {
        match letter {
            '"' => quoted = !quoted,
            letter if letter.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            letter => word.push(letter),
        }
    }
    let end = words.iter().position(|word| ["#", "|", "&"].contains(&word.as_str()));
    words.truncate(end.unwrap_or(words.len()));
    words.into_iter().map(|word| sample(&word).map_or(word, str::to_owned)).collect()
}

/// Whether it is the name of a command alone.
fn is_name(words: &[String]) -> bool {
    use clap::CommandFactory as _;
    let mut command = Cli::command();
    words.iter().skip(1).all(|word| match command.find_subcommand(word) {
        Some(found) => {
            command = found.clone();
            true
        }
        None => false,
    })
}

/// What its flags leave out, though each of them is known.
fn left_out(command: &Command) -> Option<String> {
    fn of<S: Args, P: Args + Flags, R: Args>(action: &Action<S, P, R>) -> Option<String> {
        match action {
            Action::Put { file: None, flags, .. } => {
                flags.spec().err().map(|usage| usage.to_string())
            }
            _ => None,
        }
    }
    match command {
        Command::Resource(ResourceCommand::Account(action)) => of(action),
        Command::Resource(ResourceCommand::Customer(action)) => of(action),
        Command::Resource(ResourceCommand::Market(OrService { action: Some(action) })) => {
            of(action)
        }
        Command::Resource(ResourceCommand::Trader(TraderArgs {
            action: Some(TraderAction::Declared(action)),
        })) => of(action),
        Command::Resource(ResourceCommand::Location(action)) => of(action),
        Command::Resource(ResourceCommand::ExchangeDays(action)) => of(action),
        Command::Resource(ResourceCommand::Scale(action)) => of(action),
        Command::Resource(ResourceCommand::Risk(action)) => of(action),
        Command::Resource(ResourceCommand::TradingState(action)) => of(action),
        Command::Drain(args) => {
            let shows = args.show || args.watch;
            let needs = args.target.is_some() && !shows && args.why.is_none();
            needs.then(|| "--why".to_owned())
        }
        Command::Rebalance(args) => (args.apply && args.why.is_none()).then(|| "--why".to_owned()),
        _ => None,
    }
}

/// Why it would not be taken.
fn wrong(line: &str) -> Option<String> {
    let words = words(line);
    if logs::is_meant(&words) {
        return logs::parse(&words).err().map(|error| error.to_string());
    }
    match Cli::try_parse_from(&words) {
        Ok(cli) => left_out(&cli.command),
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayVersion => None,
        Err(_) if is_name(&words) => None,
        Err(error) => Some(error.to_string()),
    }
}

#[test]
fn every_command_line_that_is_documented_is_taken() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap_or_default();
        for line in commands_of(&text) {
            count += 1;
            if let Some(why) = wrong(&line) {
                let why = why.lines().next().unwrap_or_default().to_owned();
                faults.push(format!("{}: {line}\n    {why}", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 120, "{count} command lines");
}

#[test]
fn a_command_line_that_would_not_be_taken_is_found() {
    for line in [
        "tradewind trading-state put trader.momentum",
        "tradewind drain a1 --drop never",
        "tradewind scale show here --colour red",
        "tradewind rebalance --apply",
        "tradewind trader put NAME",
        "tradewind member voters 4",
        "tradewind broker logs A",
        "tradewind drian a1",
    ] {
        assert!(wrong(line).is_some(), "{line}");
    }
    for line in [
        "tradewind trading-state put trader.momentum --state halted --why TEXT --addr $M",
        "tradewind drain a1 --why \"new disk\" --drop never  # it stays registered",
        "tradewind apply",
        "tradewind events --addr $M | grep provision",
        "tradewind route put MARKET INSTRUMENT --venue VENUE [--orders VENUE]",
    ] {
        assert_eq!(wrong(line), None, "{line}");
    }
    let page = "# A\nsay `tradewind a\nb`, or\n\n    tradewind c \\\n      d\n\n```sh\ntradewind e # or `tradewind f`\n```\n";
    assert_eq!(
        commands_of(page),
        ["tradewind c        d", "tradewind e # or `tradewind f`", "tradewind a\nb", "tradewind f"]
    );
}
