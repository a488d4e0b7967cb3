//! Claims about the whole command line: its forms, its words, what every command has in common.

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
}

/// Every command that has no commands below it, with the words that lead to it.
fn leaves(command: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
    let below: Vec<_> = command.get_subcommands().filter(|one| one.get_name() != "help").collect();
    for one in &below {
        leaves(one, format!("{words} {}", one.get_name()).trim(), found);
    }
    if below.is_empty() {
        found.push((words.to_owned(), command.clone()));
    }
}

fn commands() -> Vec<(String, clap::Command)> {
    use clap::CommandFactory as _;
    let (mut cli, mut found) = (Cli::command(), Vec::new());
    cli.build();
    leaves(&cli, "", &mut found);
    found
}

#[test]
fn every_command_that_prints_does_so_as_a_table_as_json_and_as_json_lines() {
    // Roles that run until they are stopped, and the one that is a document by itself.
    let silent = [
        "infra",
        "broker-manager",
        "market-manager",
        "trader-manager",
        "sim-venue",
        "sim kraken",
        "sample-algo",
        "exec",
        "openapi",
    ];
    let commands = commands();
    for (words, command) in &commands {
        let output = command.get_arguments().find(|argument| argument.get_id() == "output");
        let forms = output.map(|argument| {
            let forms = argument.get_possible_values();
            forms.iter().map(|form| form.get_name().to_owned()).collect::<Vec<_>>()
        });
        // Hidden: one end of a measurement, asked for by the bench alone.
        if silent.contains(&words.as_str()) || words.starts_with("bench peer") {
            assert_eq!(forms, None, "{words} prints nothing");
            continue;
        }
        assert_eq!(forms.unwrap_or_default(), ["table", "json", "jsonl"], "{words} -o");
        let letter = output.and_then(clap::Arg::get_short);
        assert_eq!(letter, Some('o'), "{words}");
    }
    assert!(commands.len() > 60, "{} commands", commands.len());
}

#[test]
fn every_command_and_each_of_its_arguments_says_what_it_is() {
    let mut silent = Vec::new();
    for (words, command) in commands() {
        if command.get_about().is_none() {
            silent.push(words.clone());
        }
        let without = command.get_arguments().filter(|argument| argument.get_help().is_none());
        silent.extend(without.map(|argument| format!("{words} {}", argument.get_id())));
    }
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn what_shows_something_that_changes_can_be_watched() {
    for (words, command) in commands() {
        let others = ["status", "drain", "rebalance"];
        // By whichever of its words it is called first.
        let mut called = command.get_all_aliases().chain([command.get_name()]);
        let shows = called.any(|word| word == "ls" || word == "get");
        let shows = shows || others.contains(&words.as_str());
        let watched = command.get_arguments().any(|argument| argument.get_long() == Some("watch"));
        assert_eq!(watched, shows, "{words} --watch");
    }
}

#[test]
fn a_duration_needs_its_unit() {
    assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
    assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
    for bad in ["", "20", "s", "20 s", "1d", "-1s", "99999999999999999999s"] {
        assert!(duration(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_unknown_flag_is_answered_with_the_one_that_was_meant() {
    let error = Cli::try_parse_from(["tradewind", "demo", "--choas", "8s"]);
    let text = error.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("--chaos"), "{text}");
}

/// Every word that stands for a command below this one, itself or for another.
fn verbs(command: &clap::Command) -> Vec<String> {
    let each = command.get_subcommands().flat_map(|one| {
        one.get_all_aliases().chain([one.get_name()]).map(str::to_owned).collect::<Vec<_>>()
    });
    each.collect()
}

#[test]
fn a_verb_is_understood_everywhere_by_each_of_its_words_and_all_are_shown() {
    use clap::CommandFactory as _;
    let words = [
        vec!["ls", "list"],
        vec!["get", "show"],
        vec!["put", "set", "declare"],
        vec!["rm", "remove", "delete"],
    ];
    let (mut cli, mut asked) = (Cli::command(), 0);
    cli.build();
    for command in cli.get_subcommands() {
        let known = verbs(command);
        for words in
            words.iter().filter(|words| words.iter().any(|word| known.contains(&(*word).into())))
        {
            // `snapshot` and the like have none of them.
            asked += 1;
            for word in words {
                assert!(known.contains(&(*word).into()), "{} {word}", command.get_name());
            }
        }
        let hidden = command.get_subcommands().flat_map(|one| {
            let shown: Vec<&str> = one.get_visible_aliases().collect();
            one.get_all_aliases().filter(move |alias| !shown.contains(alias)).collect::<Vec<_>>()
        });
        assert_eq!(hidden.collect::<Vec<_>>(), Vec::<&str>::new(), "{}", command.get_name());
    }
    assert!(asked > 40, "{asked}");
}

#[test]
fn what_is_said_of_a_command_names_verbs_that_it_has() {
    use clap::CommandFactory as _;
    let (mut cli, mut named) = (Cli::command(), 0);
    cli.build();
    for command in cli.get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let Some((_, told)) = about.rsplit_once(": ls") else { continue };
        named += 1;
        for word in format!("ls{told}").split(';').next().unwrap_or_default().split(", ") {
            let word = word.trim();
            assert!(verbs(command).contains(&word.to_owned()), "{}: {word}", command.get_name());
        }
    }
    assert!(named >= 12, "{named}");
}
