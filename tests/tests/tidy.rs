//! What a newcomer may rely on, kept by a test: every bridge is in the list, every listener has its wiring, every
//! module says what it is for, every fixture is used, nothing unfinished is left lying about.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use switchboard_bridges::Settings;
use switchboard_rules::wiring::Wiring;
use switchboard_stories::PROVIDERS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below a directory, but not what is built or kept by git.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') && name != ".ci"
            || ["target", "data", "node_modules"].contains(&name.as_str())
        {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let of_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    files(&root()).into_iter().filter(of_rust).map(read).collect()
}

fn complain(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// What is missing for each folder of `bridges/`, given the list in `lib.rs` and the names of the wiring.
fn missing_lines(
    folders: &[String],
    list: &str,
    declared: &[(String, Vec<String>)],
    wired: &[String],
) -> Vec<String> {
    let mut missing = Vec::new();
    for folder in folders {
        if !list.contains(&format!("pub mod {folder};")) {
            missing.push(format!("bridges/lib.rs lacks `pub mod {folder};`"));
        }
        if !list.contains(&format!("Arc::new({folder}::")) {
            missing.push(format!("bridges/lib.rs lacks `Arc::new({folder}::…)` in all()"));
        }
    }
    for (bridge, listeners) in declared {
        if !folders.contains(bridge) {
            missing.push(format!("the bridge {bridge} is not in a folder of its name"));
        }
        for listener in listeners {
            if !listener.starts_with(&format!("{bridge}.")) {
                missing.push(format!("the listener {listener} is not named for its bridge {bridge}"));
            }
            if !wired.contains(listener) {
                missing.push(format!("rules/wiring/{listener}.json is missing"));
            }
        }
    }
    for listener in wired {
        if !declared.iter().any(|(_, listeners)| listeners.contains(listener)) {
            missing.push(format!("rules/wiring/{listener}.json is for a listener that no bridge declares"));
        }
    }
    missing
}

fn declared() -> Vec<(String, Vec<String>)> {
    let settings =
        Settings::for_tests("[rooms.lobby]\nsms = \"open\"\nslack_channel = \"C0LOBBY\"\n", &PROVIDERS);
    let bridges = switchboard_bridges::all(&settings).unwrap();
    bridges
        .iter()
        .map(|bridge| {
            let declaration = bridge.declaration();
            let listeners = declaration.listeners.iter().map(|name| (*name).to_owned()).collect();
            (declaration.name.to_owned(), listeners)
        })
        .collect()
}

fn bridge_folders() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("bridges")).unwrap();
    let folders = entries.filter_map(|entry| {
        let path = entry.unwrap().path();
        path.join("mod.rs").exists().then(|| path.file_name().unwrap().to_string_lossy().into_owned())
    });
    folders.collect()
}

fn wired() -> Vec<String> {
    Wiring::embedded().unwrap().rules().iter().map(|rule| rule.listener.clone()).collect()
}

#[test]
fn every_bridge_is_in_the_list_and_every_listener_has_its_wiring() {
    let list = std::fs::read_to_string(root().join("bridges/lib.rs")).unwrap();
    complain(&missing_lines(&bridge_folders(), &list, &declared(), &wired()));
}

#[test]
fn a_forgotten_line_of_a_new_bridge_is_named() {
    let list = std::fs::read_to_string(root().join("bridges/lib.rs")).unwrap();
    let (mut folders, mut all, mut wiring) = (bridge_folders(), declared(), wired());
    folders.push("echo".into());
    let missing = missing_lines(&folders, &list, &all, &wiring);
    assert_eq!(
        missing,
        ["bridges/lib.rs lacks `pub mod echo;`", "bridges/lib.rs lacks `Arc::new(echo::…)` in all()"]
    );

    let list = format!("{list}\npub mod echo;\nArc::new(echo::Echo)");
    all.push(("echo".into(), vec!["echo.out".into()]));
    assert_eq!(missing_lines(&folders, &list, &all, &wiring), ["rules/wiring/echo.out.json is missing"]);

    wiring.push("echo.out".into());
    assert!(missing_lines(&folders, &list, &all, &wiring).is_empty());
    all.pop();
    let missing = missing_lines(&folders, &list, &all, &wiring);
    assert_eq!(missing, ["rules/wiring/echo.out.json is for a listener that no bridge declares"]);
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = rust_files().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    complain(
        &silent.map(|(path, _)| format!("{} does not open with //!", path.display())).collect::<Vec<_>>(),
    );
}

#[test]
fn nothing_unfinished_is_left() {
    // In two parts, so that this file does not find itself.
    let marks = [
        ["todo", "!("],
        ["unimpl", "emented!("],
        ["db", "g!("],
        ["FIX", "ME"],
        ["#[all", "ow("],
        ["#[ign", "ore"],
    ];
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let mut complaints = Vec::new();
    for (path, text) in rust_files() {
        let ignored = marks[5].concat();
        // What takes too long for every time is told by `make soak`, what measures by `make bench`; they name its program.
        let told_elsewhere =
            |line: &&str| ["make soak\"]", "make bench\"]"].iter().any(|end| line.ends_with(end));
        let soaked = |line: &&str| line.starts_with(&ignored) && told_elsewhere(line);
        if text.lines().any(|line| soaked(&line)) {
            let told = test_programs().into_iter().find(|(_, program)| path.starts_with(program));
            let told = told.map(|(name, _)| format!("--test {name} -- --ignored")).unwrap_or_default();
            if told.is_empty() || !makefile.contains(&told) {
                complaints.push(format!("the Makefile's soak lacks {}", path.display()));
            }
        }
        let text: String = text.lines().filter(|line| !soaked(line)).collect();
        for mark in marks.map(|parts| parts.concat()) {
            if text.contains(&mark) {
                complaints.push(format!("{} has {mark}", path.display()));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn every_fixture_is_used_and_its_origin_is_told() {
    let told = files(&root().join("fixtures")).into_iter().filter(|path| path.ends_with("SOURCES.md"));
    let sources: String = told.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let code: String = rust_files().into_iter().map(|(_, text)| text).collect();
    let mut complaints = Vec::new();
    for path in files(&root().join("fixtures")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (stem, folder) =
            (path.file_stem().unwrap().to_string_lossy(), path.parent().unwrap().file_name().unwrap());
        // An invented one says so in its name.
        let invented = name.contains("invented");
        if path.ends_with("SOURCES.md") {
            continue;
        }
        // A folder that a test reads whole is named in it.
        let whole = code.contains(&format!("fixtures/{}\"", folder.to_string_lossy()));
        if !whole && !code.contains(&name) && !code.contains(&*format!("\"{stem}\"")) {
            complaints.push(format!("{} is used by no test", path.display()));
        }
        if !invented
            && !sources.contains(&name)
            && !sources.contains(&format!("{}/*", folder.to_string_lossy()))
        {
            complaints.push(format!("fixtures/SOURCES.md does not say where {name} comes from"));
        }
    }
    complain(&complaints);
}

/// Every test program of the workspace: its name, and its file or folder.
fn test_programs() -> Vec<(String, PathBuf)> {
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut programs = Vec::new();
    for (path, _) in rust_files() {
        let Some(directory) = path.parent() else { continue };
        if directory.ends_with("tests") && directory.parent().is_some_and(|it| it.join("Cargo.toml").exists())
        {
            programs.push((name(&path), path));
        } else if path.ends_with("main.rs") && directory.parent().is_some_and(|it| it.ends_with("tests")) {
            programs.push((name(directory), directory.to_owned()));
        }
    }
    programs
}

#[test]
fn the_makefile_runs_every_test_program() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let listed = makefile.lines().find_map(|line| line.strip_prefix("TESTS := ")).unwrap();
    let told = |name: &str| {
        listed.split(' ').any(|listed| listed == name) || makefile.contains(&format!("--test {name}\n"))
    };
    let programs = test_programs();
    assert!(programs.len() > 5, "{programs:?}");
    let forgotten = programs.iter().filter(|(name, _)| !told(name));
    complain(
        &forgotten
            .map(|(_, path)| format!("TESTS in the Makefile lacks {}", path.display()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_makefile_and_ci_agree() {
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let commands: Vec<&str> = ci.lines().filter(|line| line.starts_with("make ")).collect();
    assert_eq!(commands, ["make test"], "CI runs the README's test command and nothing else");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("make run") && readme.contains("make test"));
}

#[test]
fn every_invariant_names_a_test_that_is_there() {
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let code: String = rust_files().into_iter().map(|(_, text)| text).collect();
    let mut named = BTreeSet::new();
    let mut complaints = Vec::new();
    for line in architecture.lines().filter(|line| line.starts_with("- Invariant:")) {
        // Between backticks: where the test is, and its name as the last word.
        let named_here: Vec<&str> = line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(|quoted| quoted.split_whitespace().last())
            .filter(|word| word.matches('_').count() > 2 && !word.contains('.'))
            .collect();
        if named_here.is_empty() {
            complaints.push(format!("an invariant names no test: {line}"));
        }
        for name in named_here {
            if !code.contains(&format!("fn {name}(")) {
                complaints.push(format!("there is no test {name}"));
            }
            named.insert(name.to_owned());
        }
    }
    complain(&complaints);
    assert!(named.len() > 5, "only {named:?}");
}
