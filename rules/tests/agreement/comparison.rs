//! Three evaluators, one meaning: the compiled engine, the reference evaluator and a naive one that tries every
//! combination are asked about the same random rules and events, and must answer alike.
//!
//! Each round has a seed of its own and says it when the three differ; `SWITCHBOARD_SEED=n` runs that round alone.
//! `SWITCHBOARD_SOAK_S=n` goes on for so many seconds; otherwise a few will do.

use crate::generate::{self, Dice};
use std::{
    env,
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};
use switchboard_rules::{Pattern, Rules, ValidEvent};

/// Enough for some ten thousand pairs, even unoptimised.
const SHORT: Duration = Duration::from_secs(6);

#[test]
fn engine_reference_and_naive_evaluator_agree() {
    let number = |name| env::var(name).ok().map(|value| value.parse::<u64>().expect("it is a number"));
    if let Some(seed) = number("SWITCHBOARD_SEED") {
        let tally = round(seed);
        println!("seed {seed}: {tally:?}");
        return;
    }
    let time = number("SWITCHBOARD_SOAK_S").map_or(SHORT, Duration::from_secs);
    let first = RandomState::new().hash_one(0) >> 16;
    let started = Instant::now();
    let mut total = Tally::default();
    let mut seed = first;
    while started.elapsed() < time {
        total.add(round(seed));
        seed += 1;
    }
    let Tally { patterns, refused, pairs, matching, broken } = total;
    println!(
        "seeds {first} to {seed}: {pairs} pairs, {matching} matching, {broken} broken events, no difference; {refused} \
         of {patterns} patterns were too much"
    );
    assert!(refused * 20 < patterns, "{refused} of {patterns} patterns were refused, and tested nothing");
    assert!(
        matching * 20 > pairs && matching * 20 < pairs * 19,
        "{matching} of {pairs} match, which tests little"
    );
}

#[derive(Debug, Default)]
struct Tally {
    patterns: u64,
    refused: u64,
    pairs: u64,
    matching: u64,
    broken: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.patterns += other.patterns;
        self.refused += other.refused;
        self.pairs += other.pairs;
        self.matching += other.matching;
        self.broken += other.broken;
    }
}

/// Some rules, compiled together, and some events.
fn round(seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let mut naive = generate::patterns(&mut dice);
    let mut tally = Tally { patterns: naive.len() as u64, ..Tally::default() };
    // Some are too much.
    naive.retain(|pattern| match Pattern::parse(&pattern.to_string()) {
        Ok(_) => true,
        Err(error) if ["combinations", "too complex"].iter().any(|much| error.problem().contains(much)) => {
            false
        }
        Err(error) => panic!("SWITCHBOARD_SEED={seed}: {error}: {pattern}"),
    });
    tally.refused = tally.patterns - naive.len() as u64;
    let texts: Vec<String> = naive.iter().map(ToString::to_string).collect();
    let at = |what: &str| format!("SWITCHBOARD_SEED={seed}: {what}; rules {texts:#?}");
    let patterns: Vec<Pattern> =
        texts.iter().map(|text| Pattern::parse(text).expect("it was valid before")).collect();
    let rules = Rules::compile(texts.iter().map(|text| ("", text))).expect("each of them is valid");
    let any = Pattern::parse(r#"{"a": [1]}"#).expect("it is valid");
    for _ in 0..8 {
        let event = generate::event(&mut dice);
        let text = generate::text(&event, &mut dice);
        let expected: Vec<usize> = (0..naive.len()).filter(|rule| naive[*rule].matches(&event)).collect();
        let about = |who: &str| at(&format!("{who} differs about {text}"));
        let reference: Vec<usize> =
            (0..naive.len()).filter(|rule| patterns[*rule].matches(text.as_bytes()) == Ok(true)).collect();
        assert_eq!(reference, expected, "{}", about("the reference"));
        assert_eq!(rules.matching(text.as_bytes()), Ok(expected.clone()), "{}", about("the engine"));
        let valid = ValidEvent::checked_before(&text);
        assert_eq!(rules.matching_valid(valid), Ok(expected.clone()), "{}", about("the engine, unchecked,"));
        tally.pairs += naive.len() as u64;
        tally.matching += expected.len() as u64;

        // What is broken is refused by both with the same words, and read by neither.
        let broken = generate::broken(&text, &mut dice);
        let found = rules.matching(&broken).map(|_| ());
        let wanted = any.matches(&broken).map(|_| ());
        let broken_text = String::from_utf8_lossy(&broken);
        assert_eq!(found, wanted, "{}", at(&format!("a broken event is read otherwise: {broken_text}")));
        let _ = rules.matching_valid(ValidEvent::checked_before(&broken_text));
        tally.broken += u64::from(wanted.is_err());
    }
    tally
}
