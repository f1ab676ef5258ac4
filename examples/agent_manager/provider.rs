//! A stand-in for a language model: it answers from what it is told of the project, and needs no network.

use tropism::agent_manager::{AiAnswer, AiError, AiProvider, AiRequest};

use crate::pace::Pace;

/// How long it thinks, so that somebody who watches sees an answer that is awaited.
const THINKS_MILLIS: u64 = 1_000;

/// Answers what to begin with, and how far everything has come.
pub struct StandIn {
    pace: Pace,
}

impl StandIn {
    pub fn new(pace: Pace) -> Self {
        Self { pace }
    }
}

impl AiProvider for StandIn {
    fn answer(&self, request: &AiRequest) -> Result<AiAnswer, AiError> {
        self.pace.pause(THINKS_MILLIS);
        let question = request.messages.last().map(|message| message.text.as_str()).unwrap_or_default();
        let tasks = tasks(&request.system);
        let text = if question.contains("begin") {
            let urgent = tasks.iter().find(|task| task.contains("(high)") && !task.starts_with("[done]"));
            urgent
                .map_or_else(|| "Nothing is pressing.".to_owned(), |task| format!("With this, it is pressing: {task}"))
        } else {
            let done = tasks.iter().filter(|task| task.starts_with("[done]")).count();
            format!("{done} of {} tasks are done.", tasks.len())
        };
        Ok(AiAnswer { text, model: Some("stand-in".to_owned()), input_tokens: None, output_tokens: None })
    }
}

/// The tasks as the module describes them to a provider: `- [todo] Restart the guidance (high)`.
fn tasks(system: &str) -> Vec<&str> {
    system.lines().filter_map(|line| line.strip_prefix("- ")).collect()
}
