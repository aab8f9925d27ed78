//! What matching costs, beside `quamina` and beside a naive walk over `serde_json`'s `Value`.
//!
//! `cargo run --release -p switchboard-rules --example bench [classes|rules] [events]` prints two tables: events a
//! second by class of operator, and the cost of an event by number of rules. Times are those that one thread ran, so
//! that other work on the machine counts little, and the best of five turns. All engines see the same events in the
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

const TURNS: usize = 5;

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
        let runs = contest(
            &events,
            &[
                Some(ours(compile(class.rules))),
                Some(checked(compile(class.rules))),
                quamina(class.rules).map(theirs),
                Some(naive_walk(class)),
                Some(skipping(class)),
            ],
        );
        let [Some(ours), Some(checked), quamina, naive, Some(skipping)] = runs[..] else { continue };
        let rate = |other: Option<Run>| match other {
            None => "— | ".to_owned(),
            Some(Run { rate, matches }) => {
                let differs = if matches == ours.matches { "" } else { " ≠" };
                format!("{rate:.3}{differs} | {:.1}", ours.rate / rate)
            }
        };
        println!(
            "| {} | {:.3} | {:.3} | {} | {} | {:.3} | {} |",
            class.name,
            ours.rate,
            checked.rate,
            rate(quamina),
            rate(naive),
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
    let (built, their_build) = meter::wall_seconds(|| quamina(&texts));
    let built = built.filter(|built| !panics(|| matched(built, &events[0])));
    let runs = contest(events, &[Some(ours(compiled.clone())), Some(checked(compiled)), built.map(theirs)]);
    let [Some(ours), Some(checked), theirs] = runs[..] else { return };
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

/// An engine with its rules: how many of them an event matches.
type Engine<'e> = Box<dyn Fn(&str) -> usize + 'e>;

/// Lets each match all events, in turns, so that a busy moment of the machine is nobody's alone. The best turn counts,
/// as each is only ever slowed down by what it has nothing to do with.
fn contest(events: &[String], engines: &[Option<Engine<'_>>]) -> Vec<Option<Run>> {
    let mut runs: Vec<Option<Run>> = vec![None; engines.len()];
    for _ in 0..TURNS {
        for (best, engine) in runs.iter_mut().zip(engines) {
            let Some(engine) = engine else { continue };
            let all = || events.iter().map(|event| engine(black_box(event))).sum();
            let (matches, seconds) = meter::seconds(all);
            let rate = events.len() as f64 / seconds / 1e6;
            if best.is_none_or(|best| best.rate < rate) {
                *best = Some(Run { rate, matches });
            }
        }
    }
    runs
}

fn compile(rules: &[&str]) -> Rules {
    Rules::compile(rules.iter().map(|rule| ("", rule))).expect("the rules are valid")
}

fn ours<'e>(rules: Rules) -> Engine<'e> {
    Box::new(move |event| {
        rules.matching_valid(ValidEvent::checked_before(event)).map_or(0, |matching| matching.len())
    })
}

fn checked<'e>(rules: Rules) -> Engine<'e> {
    Box::new(move |event| rules.matching(event.as_bytes()).map_or(0, |matching| matching.len()))
}

/// None where it lacks the operator.
fn quamina(rules: &[&str]) -> Option<Quamina<usize>> {
    let mut quamina = Quamina::new();
    for (index, rule) in rules.iter().enumerate() {
        quamina.add_pattern(index, rule).ok()?;
    }
    Some(quamina)
}

fn theirs<'e>(quamina: Quamina<usize>) -> Engine<'e> {
    Box::new(move |event| matched(&quamina, event))
}

fn matched(quamina: &Quamina<usize>, event: &str) -> usize {
    quamina.matches_for_event(event.as_bytes()).map_or(0, |matching| matching.len())
}

/// Quamina does, of some thousand ranges in one set.
fn panics(work: impl FnOnce() -> usize) -> bool {
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(panic::AssertUnwindSafe(work));
    let _ = panic::take_hook();
    outcome.is_err()
}

fn naive_walk<'e>(class: &Class) -> Engine<'e> {
    let walks: Vec<naive::Walk> = class.rules.iter().map(|rule| naive::Walk::new(rule)).collect();
    Box::new(move |event| {
        let event: serde_json::Value = serde_json::from_str(event).expect("the events are JSON");
        walks.iter().filter(|walk| walk.matches(&event)).count()
    })
}

fn skipping(class: &Class) -> Engine<'_> {
    let finder = memchr::memmem::Finder::new(class.key);
    Box::new(move |event| {
        let found = finder.find(event.as_bytes()).unwrap_or_default();
        let value = &event.as_bytes()[found + class.key.len()..];
        black_box(memchr::memchr3(b',', b'}', b']', value)).map_or(0, |_| 1)
    })
}
