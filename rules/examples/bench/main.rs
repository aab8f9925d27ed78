//! What matching costs, beside `quamina` and beside a naive walk over `serde_json`'s `Value`.
//!
//! `cargo run --release -p switchboard-rules --example bench [classes|rules] [events]` prints two tables: events a
//! second by class of operator, and the cost of an event by number of rules. Times are those that one thread ran, so
//! that other work on the machine counts little, and the best of three runs. All engines see the same events in the
//! same order; where one finds another number of matches than ours, its figure has a ≠.
//!
//! "Ours" is given events that were validated before (`matching_valid`); "with the check" validates each in full
//! first (`matching`), which neither quamina nor the bound of skipping does. That bound searches for the key's bytes
//! and for the end of its value, and does not even know whether it stands in a string.

mod chat;
mod classes;
mod lots;
mod meter;
mod naive;

use classes::{CLASSES, Class};
use quamina::Quamina;
use std::{
    env,
    hint::black_box,
    panic,
    process::{Command, ExitCode},
};
use switchboard_rules::{Rules, ValidEvent};

const RUNS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|table| table == "memory") {
        return print_memory(&arguments).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let count = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(lots::COUNT);
    let wants = |table: &str| {
        let named = |argument: &String| ["classes", "rules"].contains(&argument.as_str());
        arguments.iter().any(|argument| argument == table) || !arguments.iter().any(named)
    };
    if wants("classes") {
        by_class(count);
    }
    if wants("rules") {
        by_number_of_rules(count.min(50_000));
    }
    ExitCode::SUCCESS
}

fn by_class(count: usize) {
    let events = lots::lots(count);
    let bytes: usize = events.iter().map(String::len).sum();
    println!("{count} events of {} bytes; million events a second, and × ours\n", bytes / count.max(1));
    println!("| rules | ours | with the check | quamina | × | naive | × | skipping | matches |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for class in &CLASSES {
        let ours = ours(class.rules, &events);
        let checked = run(&events, compile(class.rules), |rules, event| {
            rules.matching(event.as_bytes()).map_or(0, |matching| matching.len())
        });
        let quamina = by_quamina(class.rules, &events);
        let naive = by_naive_walk(class, &events);
        let skipping = by_skipping(class, &events);
        let times = |other: Option<Run>| {
            other.map_or(String::new(), |other| format!("{:.1}", ours.rate / other.rate))
        };
        let rate = |other: Option<Run>| match other {
            None => "—".to_owned(),
            Some(other) => {
                format!("{:.3}{}", other.rate, if other.matches == ours.matches { "" } else { " ≠" })
            }
        };
        println!(
            "| {} | {:.3} | {:.3} | {} | {} | {} | {} | {:.3} | {} |",
            class.name,
            ours.rate,
            checked.rate,
            rate(quamina),
            times(quamina),
            rate(Some(naive)),
            times(Some(naive)),
            skipping.rate,
            ours.matches,
        );
    }
    println!();
}

fn by_number_of_rules(count: usize) {
    let events = chat::events(count);
    let bytes: usize = events.iter().map(String::len).sum();
    println!("{count} chat events of {} bytes and one source; microseconds an event", bytes / count.max(1));
    for (kind, (title, _)) in chat::KINDS.iter().enumerate() {
        println!("\nRules on {title}:\n");
        println!(
            "| rules | ours | with the check | build ms | KiB | quamina | × | build ms | KiB | matches |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
        for rules in [1, 10, 100, 1_000, 10_000] {
            line(rules, kind, &events);
        }
    }
}

fn line(number: usize, kind: usize, events: &[String]) {
    let rules = chat::rules(number, chat::KINDS[kind].1);
    let texts: Vec<&str> = rules.iter().map(String::as_str).collect();
    let (compiled, build) = meter::wall_seconds(|| compile(&texts));
    let ours = run(events, compiled.clone(), |rules, event| {
        rules.matching_valid(ValidEvent::checked_before(event)).map_or(0, |matching| matching.len())
    });
    let checked = run(events, compiled, |rules, event| {
        rules.matching(event.as_bytes()).map_or(0, |matching| matching.len())
    });
    let (built, their_build) = meter::wall_seconds(|| quamina(&texts));
    let theirs = built.and_then(|built| unless_it_panics(|| run(events, built, matched)));
    let kib = |engine| memory(engine, number, kind).map_or("?".to_owned(), |kib| kib.to_string());
    print!(
        "| {number} | {:.3} | {:.3} | {:.2} | {} |",
        1.0 / ours.rate,
        1.0 / checked.rate,
        build * 1e3,
        kib("ours")
    );
    match theirs {
        Some(theirs) => println!(
            " {:.3}{} | {:.1} | {:.2} | {} | {} |",
            1.0 / theirs.rate,
            if theirs.matches == ours.matches { "" } else { " ≠" },
            ours.rate / theirs.rate,
            their_build * 1e3,
            kib("quamina"),
            ours.matches
        ),
        None => println!(" it panics | | | | {} |", ours.matches),
    }
}

/// What the compiled rules take, in KiB: asked of a process of its own, as memory that was given back is used again.
fn memory(engine: &str, rules: usize, kind: usize) -> Option<u64> {
    let arguments = ["memory", engine, &rules.to_string(), &kind.to_string()];
    let output = Command::new(env::current_exe().ok()?).args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn print_memory(arguments: &[String]) -> Option<()> {
    let [_, engine, rules, kind] = arguments else { return None };
    let rules = chat::rules(rules.parse().ok()?, chat::KINDS.get(kind.parse::<usize>().ok()?)?.1);
    let texts: Vec<&str> = rules.iter().map(String::as_str).collect();
    let event = chat::events(1).pop()?;
    let before = meter::resident();
    // Matched once, as either may put off work until then.
    let (ours, theirs);
    if engine == "ours" {
        ours = compile(&texts);
        black_box(ours.matching(event.as_bytes())).ok()?;
    } else {
        theirs = quamina(&texts)?;
        matched(&theirs, &event);
    }
    println!("{}", meter::resident().saturating_sub(before) >> 10);
    Some(())
}

/// What came of matching all events.
#[derive(Clone, Copy)]
struct Run {
    /// Million events a second.
    rate: f64,
    matches: usize,
}

fn run<E>(events: &[String], engine: E, matched: impl Fn(&E, &str) -> usize) -> Run {
    let all = || events.iter().map(|event| matched(&engine, black_box(event))).sum::<usize>();
    let (matches, seconds) = meter::best(RUNS, all).unwrap_or_default();
    Run { rate: events.len() as f64 / seconds / 1e6, matches }
}

fn compile(rules: &[&str]) -> Rules {
    Rules::compile(rules.iter().map(|rule| ("", rule))).expect("the rules are valid")
}

fn ours(rules: &[&str], events: &[String]) -> Run {
    run(events, compile(rules), |rules, event| {
        rules.matching_valid(ValidEvent::checked_before(event)).map_or(0, |matching| matching.len())
    })
}

fn quamina(rules: &[&str]) -> Option<Quamina<usize>> {
    let mut quamina = Quamina::new();
    for (index, rule) in rules.iter().enumerate() {
        quamina.add_pattern(index, rule).ok()?;
    }
    Some(quamina)
}

fn matched(quamina: &Quamina<usize>, event: &str) -> usize {
    quamina.matches_for_event(event.as_bytes()).map_or(0, |matching| matching.len())
}

/// None where it panics, as it does of too many ranges in one set.
fn unless_it_panics(work: impl FnOnce() -> Run) -> Option<Run> {
    panic::set_hook(Box::new(|_| {}));
    let run = panic::catch_unwind(panic::AssertUnwindSafe(work)).ok();
    let _ = panic::take_hook();
    run
}

/// None where it lacks the operator.
fn by_quamina(rules: &[&str], events: &[String]) -> Option<Run> {
    Some(run(events, quamina(rules)?, matched))
}

fn by_naive_walk(class: &Class, events: &[String]) -> Run {
    let walks: Vec<naive::Walk> = class.rules.iter().map(|rule| naive::Walk::new(rule)).collect();
    run(events, walks, |walks, event| {
        let event: serde_json::Value = serde_json::from_str(event).expect("the events are JSON");
        walks.iter().filter(|walk| walk.matches(&event)).count()
    })
}

fn by_skipping(class: &Class, events: &[String]) -> Run {
    run(events, memchr::memmem::Finder::new(class.key), |finder, event| {
        let found = finder.find(event.as_bytes()).unwrap_or_default();
        let value = &event.as_bytes()[found + class.key.len()..];
        black_box(memchr::memchr3(b',', b'}', b']', value)).map_or(0, |_| 1)
    })
}
