//! How long a function takes from its start until it asks for work, and what it holds then; next to a bare one in the
//! same run, one after the other in turns. `make bench` runs it over the lean profile:
//!
//! ```text
//!   init BOOTSTRAP HELLO [ROUNDS]
//! ```
//! It plays the runtime's API and the Parameter Store on one port of 127.0.0.1: both answer at once.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::mpsc;

/// Rounds, where none are given.
const ROUNDS: usize = 40;
/// No function may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is measured: a name, the program, the handler, and whether its secrets are in the Parameter Store.
const FUNCTIONS: [(&str, bool, &str, bool); 4] = [
    ("a bare hello", false, "hello", false),
    ("sms.out", true, "sms.out", false),
    ("slack.door", true, "slack.door", false),
    ("sms.out, its 3 parameters read first", true, "sms.out", true),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(bootstrap), Some(hello)) = (arguments.next(), arguments.next()) else {
        return Err(Error::other("init BOOTSTRAP HELLO [ROUNDS]"));
    };
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (asked, mut work) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, asked.clone()));
        }
    });
    let mut measured: Vec<Measured> = FUNCTIONS.map(|_| Measured::default()).into();
    for _ in 0..rounds {
        for ((_, ours, handler, parameters), measured) in FUNCTIONS.iter().zip(&mut measured) {
            let program = if *ours { &bootstrap } else { &hello };
            start(program, handler, *parameters, &address, &mut work, measured).await?;
        }
    }
    let bare = (median(&mut measured[0].ms), median(&mut measured[0].processor_ms));
    for ((name, ..), measured) in FUNCTIONS.iter().zip(&mut measured) {
        let (time, busy) = (median(&mut measured.ms), median(&mut measured.processor_ms));
        println!(
            "{name}: {time:.1} ms ({:+.1}), of it {busy:.1} on the processor ({:+.1}), VmRSS {:.0} kB; medians of {rounds}",
            time - bare.0,
            busy - bare.1,
            median(&mut measured.resident_kb)
        );
    }
    Ok(())
}

/// Of each start: until it asked for work, how long it was on a processor until then (which other work on the machine
/// hardly changes), and what it held.
#[derive(Default)]
struct Measured {
    ms: Vec<f64>,
    processor_ms: Vec<f64>,
    resident_kb: Vec<f64>,
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Starts it once.
async fn start(
    program: &str,
    handler: &str,
    parameters: bool,
    address: &str,
    work: &mut mpsc::UnboundedReceiver<Instant>,
    measured: &mut Measured,
) -> Result<(), Error> {
    let url = format!("http://{address}");
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(std::env::var_os("SSL_CERT_FILE").map(|file| ("SSL_CERT_FILE", file)))
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("_HANDLER", handler)
        .envs([("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .env("AWS_ENDPOINT_URL", &url)
        .envs([("SWITCHBOARD_TABLE", "t"), ("SWITCHBOARD_BUS", "b"), ("SWITCHBOARD_QUEUE", &*url)])
        .envs([
            ("SWITCHBOARD_DEAD_LETTERS", &*url),
            ("SWITCHBOARD_MEDIA", "m"),
            ("TWILIO_FROM", "+15550100100"),
        ])
        .env("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if parameters {
        let list = "SWITCHBOARD_CONFIGURATION=/c,TWILIO_AUTH_TOKEN=/t,SWITCHBOARD_LINK_KEY=/k";
        command.env("SWITCHBOARD_PARAMETERS", list);
    } else {
        command.envs([
            ("TWILIO_AUTH_TOKEN", "t"),
            ("SWITCHBOARD_LINK_KEY", "k"),
            ("SLACK_SIGNING_SECRET", "s"),
        ]);
        command.env("SLACK_BOT_TOKEN", "xoxb-t");
    }
    let began = Instant::now();
    let mut child = command.spawn()?;
    let asked = tokio::time::timeout(PATIENCE, work.recv()).await;
    let Ok(Some(asked)) = asked else {
        return Err(Error::other(format!("{program} as {handler} does not ask for work")));
    };
    let process = format!("/proc/{}", child.id().unwrap_or_default());
    let mut busy_ns = 0.0;
    for task in std::fs::read_dir(format!("{process}/task"))? {
        let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
        busy_ns += stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or_default();
    }
    let status = std::fs::read_to_string(format!("{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default();
    child.kill().await?;
    measured.ms.push((asked - began).as_secs_f64() * 1000.0);
    measured.processor_ms.push(busy_ns / 1e6);
    measured.resident_kb.push(resident);
    Ok(())
}

/// Answers what the Parameter Store is asked; whoever asks for work waits for ever.
async fn serve(mut stream: TcpStream, asked: mpsc::UnboundedSender<Instant>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count) = stream.read(&mut piece).await
        && count > 0
    {
        let came = Instant::now();
        request.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if text.starts_with("GET ") && text.ends_with("\r\n\r\n") {
            // Whoever measures has gone, at the end.
            let _ = asked.send(came);
            request.clear();
        } else if text.ends_with('}') {
            let body = "{\"Parameter\":{\"Value\":\"# nothing\"}}";
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: ";
            let answer = format!("{head}{}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            request.clear();
        }
    }
}
