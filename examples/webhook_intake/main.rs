//! Webhooks in, pull requests out: what a host does with GitHub's deliveries, from the raw request to the rows.
//!
//! Each payload is signed as GitHub signs it and handed to [`WebhookIntake`], which verifies it, stores it and schedules
//! its processing; the processing then runs as scheduled work does. A virtual clock drives that here, so nothing waits;
//! a server would leave it to the database's own threads and need no line for it.
//!
//! ```text
//! cargo run --example webhook_intake
//! cargo run --example webhook_intake -- --payloads DIR
//! ```
//!
//! Without a folder, the payloads tell the story of one pull request, which finds its task by its branch and moves it
//! from column to column.

mod deliveries;
mod report;

use std::{error::Error, path::PathBuf, process::ExitCode};

use deliveries::Delivery;
use tropism::{
    Clock, ManualScheduler, SystemClock,
    agent_manager::{
        AgentManager, Category, CreateProject, CreateTask, GetTask, IntakeError, Priority, Task, WebhookIntake,
        WebhookSource, sign_github,
    },
    prelude::*,
};

/// What GitHub and the host agree on when the webhook is set up.
const SECRET: &str = "It's a Secret to Everybody";

const USAGE: &str = "\
Takes GitHub webhooks in and shows what became of them.

  --payloads DIR   take the payloads of this folder: a file <event>.json for each event, with an array of payloads
                   (default: a few of its own, about one pull request and its task)
";

fn main() -> ExitCode {
    let folder = match arguments(std::env::args().skip(1)) {
        Ok(Wanted::Usage) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Wanted::Run { payloads }) => payloads,
        Err(problem) => {
            eprint!("webhook_intake: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = match folder {
        Some(folder) => deliveries::of_folder(&folder).and_then(|deliveries| run(&deliveries, None)),
        None => run(&deliveries::own(), Some(Category::Done)),
    };
    match result {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            problems.iter().for_each(|problem| eprintln!("webhook_intake: {problem}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("webhook_intake: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Wanted {
    Usage,
    Run { payloads: Option<PathBuf> },
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut payloads = None;
    while let Some(option) = given.next() {
        match option.as_str() {
            "--payloads" => payloads = Some(given.next().ok_or("--payloads needs a folder")?.into()),
            "--help" | "-h" => return Ok(Wanted::Usage),
            _ => return Err(format!("{option:?} is not an option")),
        }
    }
    Ok(Wanted::Run { payloads })
}

/// Takes every delivery in, has all of them processed and prints what came of it. Answers what is not as it must be;
/// `expected` is where the task of the example's own story must stand in the end.
fn run(deliveries: &[Delivery], expected: Option<Category>) -> Result<Vec<String>, Box<dyn Error>> {
    let scheduler = ManualScheduler::new(SystemClock.now());
    let db = Db::builder().module(AgentManager::new()).scheduler(scheduler.clone()).in_memory()?;
    let intake = WebhookIntake::new().secret(WebhookSource::Github, SECRET);
    // A task before the pull request, as it is in real life; the folder's payloads know neither and do without.
    let task = expected.map(|_| plan(&db)).transpose()?;

    let mut problems = Vec::new();
    let (mut stored, mut repeated) = (0, 0);
    for delivery in deliveries {
        match receive(&db, &intake, delivery) {
            Ok(true) => stored += 1,
            Ok(false) => repeated += 1,
            Err(error) => problems.push(format!("{delivery} was refused with {}: {error}", error.status())),
        }
    }
    println!("{stored} deliveries were taken in, {repeated} had come before, {} were refused", problems.len());

    let ran = scheduler.run_due()?;
    println!("{} jobs ran\n", ran.len());
    print!("{}", report::events(&db)?);
    print!("{}", report::pull_requests(&db)?);
    problems.extend(report::unprocessed(&db)?);

    if let (Some(task), Some(expected)) = (task, expected) {
        print!("{}", report::task(&db, task)?);
        let category = db.query(GetTask { id: task })?.as_ref().as_ref().map(|task| task.category);
        if category != Some(expected) {
            problems.push(format!("the task should be {expected}, and is {category:?}"));
        }
    }
    db.close()?;
    Ok(problems)
}

/// What a server does with a request: says whether it was stored, or was there already.
fn receive(db: &Db, intake: &WebhookIntake, delivery: &Delivery) -> Result<bool, IntakeError> {
    let signature = sign_github(SECRET.as_bytes(), &delivery.body);
    let headers = |name: &str| match name {
        "x-github-event" => Some(delivery.event_type.as_str()),
        "x-github-delivery" => Some(delivery.id.as_str()),
        "x-hub-signature-256" => Some(signature.as_str()),
        _ => None,
    };
    let received = intake.receive(db, WebhookSource::Github, headers, &delivery.body)?;
    Ok(received.event.is_some())
}

/// The project and the task that the example's own payloads are about.
fn plan(db: &Db) -> Result<Id<Task>, Box<dyn Error>> {
    let user = "ada".to_owned();
    let project_id = db.mutate(CreateProject {
        name: "Lander".to_owned(),
        description: String::new(),
        specification: String::new(),
        repository: Some(deliveries::REPOSITORY.to_owned()),
        user: user.clone(),
    })?;
    Ok(db.mutate(CreateTask {
        project_id,
        title: "Restart the guidance after an overflow".to_owned(),
        description: String::new(),
        category: Category::InProgress,
        priority: Priority::High,
        assignee: Some(user.clone()),
        branch: Some(deliveries::BRANCH.to_owned()),
        user,
    })?)
}
