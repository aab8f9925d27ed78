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
    let mut measured: Vec<(Vec<f64>, Vec<u64>)> = vec![(Vec::new(), Vec::new()); FUNCTIONS.len()];
    for _ in 0..rounds {
        for ((_, ours, handler, parameters), (times, sizes)) in FUNCTIONS.iter().zip(&mut measured) {
            let program = if *ours { &bootstrap } else { &hello };
            let (time, resident) = start(program, handler, *parameters, &address, &mut work).await?;
            times.push(time);
            sizes.push(resident);
        }
    }
    let bare = median(&mut measured[0].0);
    for ((name, ..), (times, sizes)) in FUNCTIONS.iter().zip(&mut measured) {
        let time = median(times);
        sizes.sort_unstable();
        let size = sizes[sizes.len() / 2];
        println!("{name}: {time:.1} ms ({:+.1}), VmRSS {size} kB, medians of {rounds}", time - bare);
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Milliseconds until it asks for work, and its resident kilobytes then.
async fn start(
    program: &str,
    handler: &str,
    parameters: bool,
    address: &str,
    work: &mut mpsc::UnboundedReceiver<Instant>,
) -> Result<(f64, u64), Error> {
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
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap_or_default()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default();
    child.kill().await?;
    Ok(((asked - began).as_secs_f64() * 1000.0, resident))
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
