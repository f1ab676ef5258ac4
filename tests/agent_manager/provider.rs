//! A stand-in for an AI provider: it says what it was told to say, and remembers what it was asked.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use super::*;

/// Answers from a list, and "fine" when that is empty. Its clones are one.
#[derive(Clone, Default)]
pub struct StandIn {
    answers: Arc<Mutex<VecDeque<Turn>>>,
    asked: Arc<Mutex<Vec<AiRequest>>>,
}

/// What the stand-in does when it is asked.
pub enum Turn {
    Says(&'static str),
    Fails(AiError),
    Panics,
}

impl StandIn {
    pub fn of(turns: impl IntoIterator<Item = Turn>) -> Self {
        let stand_in = Self::default();
        stand_in.answers.lock().extend(turns);
        stand_in
    }

    /// From now on it fails in this way so many times.
    pub fn fails(&self, error: &AiError, times: usize) {
        self.answers.lock().extend((0..times).map(|_| Turn::Fails(error.clone())));
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<AiRequest> {
        self.asked.lock().clone()
    }

    pub fn times_asked(&self) -> usize {
        self.asked.lock().len()
    }

    pub fn office(&self) -> Office {
        Office::with(AgentManager::new().provider(self.clone()))
    }
}

impl AiProvider for StandIn {
    fn answer(&self, request: &AiRequest) -> Result<AiAnswer, AiError> {
        self.asked.lock().push(request.clone());
        let turn = self.answers.lock().pop_front();
        match turn.unwrap_or(Turn::Says("fine")) {
            Turn::Says(text) => {
                Ok(AiAnswer { text: text.to_owned(), model: None, input_tokens: None, output_tokens: None })
            }
            Turn::Fails(error) => Err(error),
            Turn::Panics => panic!("on purpose"),
        }
    }
}

pub fn rate_limited(retry_after: Option<Duration>) -> AiError {
    AiError::RateLimited { retry_after }
}

pub fn refused() -> AiError {
    AiError::Refused { status: 401, kind: "authentication_error".into(), message: "no such key".into() }
}

pub fn malformed() -> AiError {
    AiError::Malformed { reason: "no text".into() }
}

/// Asks about a new project, and says which message the answer is.
pub fn ask(office: &Office) -> Id<ChatMessage> {
    let project = office.project("Apollo");
    office.add("chat:send", json!({ "projectId": project, "text": "How far?" }))
}

/// How an answer stands, and what it says.
pub fn state(office: &Office, answer: Id<ChatMessage>) -> (ChatStatus, String) {
    let message = office.row(answer);
    (message.status, message.text.clone())
}
