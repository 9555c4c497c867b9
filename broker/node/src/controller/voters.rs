//! AddRaftVoter (80) and RemoveRaftVoter (81): what `kafka-metadata-quorum add-controller` and `remove-controller` ask
//! for (KIP-853). One change at a time; the answer waits until it is committed.

use bytes::{Bytes, BytesMut};
use odradek_core::metadata::rpc::{ControllerResponse, ForwardRequest, ForwardResponse};
use odradek_core::time::Now;
use odradek_quorum::{ChangeError, Endpoint};
use odradek_wire::ResponseError;
use odradek_wire::messages::{
    AddRaftVoterRequest, AddRaftVoterResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse,
};
use odradek_wire::protocol::{Decodable, Encodable, Message, StrBytes};

use super::ControllerNode;
use super::event::ControllerCommand;
use crate::event::RequestId;

/// Kafka's keys.
pub(super) const ADD: i32 = 80;
pub(super) const REMOVE: i32 = 81;

/// How long a voter that is to go may wait for a change before it.
const REMOVE_WAIT_MS: u64 = 10_000;
/// No request waits longer than this for an observer to catch up.
const MOST_WAIT_MS: u64 = 60_000;
/// Between two looks whether the observer has caught up.
const LOOK_MS: u64 = 50;

/// A change that somebody asked for.
#[derive(Debug)]
pub(super) struct Change {
    request: RequestId,
    version: i16,
    what: What,
    id: u64,
    directory_id: Bytes,
    deadline_ms: u64,
    /// The entry that does it, once it is proposed.
    index: Option<u64>,
    look_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Add,
    Remove,
}

type Refusal = (ResponseError, String);

impl Change {
    /// When to look again.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.index.is_none().then_some(self.look_ms)
    }
}

impl ControllerNode {
    /// Takes a request; only called while this controller is active.
    pub(super) fn change_voters(
        &mut self,
        now: Now,
        request: RequestId,
        forward: &ForwardRequest,
        out: &mut Vec<ControllerCommand>,
    ) {
        let what = if forward.api_key == ADD { What::Add } else { What::Remove };
        let version = i16::try_from(forward.api_version).unwrap_or(-1);
        let parsed = match what {
            What::Add => self.parse_add(now, request, version, &forward.body),
            What::Remove => self.parse_remove(now, request, version, &forward.body),
        };
        match parsed {
            Err(response) => out.push(ControllerCommand::Reply { request, response: response.into() }),
            Ok(Err(refusal)) => reply(out, request, what, version, Err(refusal)),
            Ok(Ok(_)) if self.change.is_some() => {
                let why = "another change of the voters is under way: try again when it is done".to_owned();
                reply(out, request, what, version, Err((ResponseError::RequestTimedOut, why)));
            }
            Ok(Ok(change)) => {
                self.change = Some(change);
                self.drive_change(now, out);
            }
        }
    }

    fn parse_add(
        &self,
        now: Now,
        request: RequestId,
        version: i16,
        body: &[u8],
    ) -> Result<Result<Change, Refusal>, ForwardResponse> {
        let asked: AddRaftVoterRequest = decode(body, version)?;
        let endpoints: Vec<Endpoint> = asked
            .listeners
            .iter()
            .map(|at| Endpoint { name: at.name.to_string(), host: at.host.to_string(), port: u32::from(at.port) })
            .collect();
        let wait = u64::try_from(asked.timeout_ms).unwrap_or(0).min(MOST_WAIT_MS);
        let directory_id = Bytes::copy_from_slice(asked.voter_directory_id.as_bytes());
        let checked = self.check_cluster(asked.cluster_id.as_ref()).and_then(|()| {
            let id = node_id(asked.voter_id)?;
            if endpoints.is_empty() || endpoints.iter().any(|at| at.host.is_empty() || at.port == 0) {
                let why = "Add voter request needs the endpoints of the new voter's controller listener".to_owned();
                return Err((ResponseError::InvalidRequest, why));
            }
            let voters = self.quorum.members().iter().filter(|member| !member.observer);
            if let Some(voter) = voters.into_iter().find(|member| member.id == id) {
                let with = if voter.directory_id == directory_id { "" } else { " with another directory" };
                let why = format!("The voter id {id} is already part of the set of voters{with}");
                return Err((ResponseError::DuplicateVoter, why));
            }
            Ok(id)
        });
        Ok(checked.map(|id| Change {
            request,
            version,
            what: What::Add,
            id,
            directory_id,
            deadline_ms: now.mono_ms + wait,
            index: None,
            look_ms: now.mono_ms,
        }))
    }

    fn parse_remove(
        &self,
        now: Now,
        request: RequestId,
        version: i16,
        body: &[u8],
    ) -> Result<Result<Change, Refusal>, ForwardResponse> {
        let asked: RemoveRaftVoterRequest = decode(body, version)?;
        let directory_id = Bytes::copy_from_slice(asked.voter_directory_id.as_bytes());
        let checked = self.check_cluster(asked.cluster_id.as_ref()).and_then(|()| {
            let id = node_id(asked.voter_id)?;
            let mut voters = self.quorum.members().iter().filter(|member| !member.observer);
            if !voters.any(|member| member.is(id, &directory_id)) {
                let why = format!(
                    "Cannot remove voter {id} with directory {}: it is not in the set of voters",
                    odradek_log::meta::uuid_text(asked.voter_directory_id)
                );
                return Err((ResponseError::VoterNotFound, why));
            }
            Ok(id)
        });
        Ok(checked.map(|id| Change {
            request,
            version,
            what: What::Remove,
            id,
            directory_id,
            deadline_ms: now.mono_ms + REMOVE_WAIT_MS,
            index: None,
            look_ms: now.mono_ms,
        }))
    }

    fn check_cluster(&self, asked: Option<&StrBytes>) -> Result<(), Refusal> {
        match (asked, self.image.cluster_id()) {
            (Some(theirs), Some(ours)) if !theirs.is_empty() && theirs.as_str() != ours => {
                let why = format!("Expected cluster ID {ours}, but got cluster ID {}", theirs.as_str());
                Err((ResponseError::InconsistentClusterId, why))
            }
            _ => Ok(()),
        }
    }

    /// Proposes the change once it can be, and gives it up when its time is over.
    pub(super) fn drive_change(&mut self, now: Now, out: &mut Vec<ControllerCommand>) {
        let Some(change) = &mut self.change else { return };
        if change.index.is_some() || (now.mono_ms < change.look_ms && now.mono_ms < change.deadline_ms) {
            return;
        }
        change.look_ms = now.mono_ms + LOOK_MS;
        let id = change.id;
        let begun = match change.what {
            What::Add => self.quorum.add_voter(id, &change.directory_id),
            What::Remove => self.quorum.remove(id, &change.directory_id),
        };
        let refusal = match begun {
            Ok(index) => {
                tracing::info!(controller = id, index, what = ?change.what, "the voters change");
                change.index = Some(index);
                return;
            }
            Err(error @ ChangeError::LastVoter { .. }) => {
                (ResponseError::VoterNotFound, format!("Cannot remove voter {id}: {error}"))
            }
            Err(error @ ChangeError::DuplicateVoter { .. }) => (ResponseError::DuplicateVoter, error.to_string()),
            Err(_) if now.mono_ms < change.deadline_ms => return,
            Err(ChangeError::Unknown { .. }) if change.what == What::Add => {
                let why = format!(
                    "controller {id} with directory {} does not follow the metadata log: start it first, with \
                     controller.quorum.bootstrap.servers, and look at kafka-metadata-quorum describe --replication",
                    odradek_log::meta::uuid_text(uuid::Uuid::from_slice(&change.directory_id).unwrap_or_default())
                );
                (ResponseError::RequestTimedOut, why)
            }
            Err(ChangeError::Unknown { .. }) => (ResponseError::VoterNotFound, format!("voter {id} is gone already")),
            Err(error) => (ResponseError::RequestTimedOut, error.to_string()),
        };
        if let Some(change) = self.change.take() {
            reply(out, change.request, change.what, change.version, Err(refusal));
        }
    }

    /// Answers a change that is committed by now. Called before leadership is given up, which the change may lead to.
    pub(super) fn finish_change(&mut self, out: &mut Vec<ControllerCommand>) {
        let applied = self.image.offset();
        let Some(change) = self.change.take_if(|change| change.index.is_some_and(|index| index <= applied)) else {
            return;
        };
        // From here on what somebody asked for counts, not that its disk was once replaced.
        self.join.placed_by_request(change.id);
        let is_voter = self.quorum.members().iter().any(|it| !it.observer && it.is(change.id, &change.directory_id));
        let done = is_voter == (change.what == What::Add);
        let why = || (ResponseError::UnknownServerError, "the change was not carried out".to_owned());
        reply(out, change.request, change.what, change.version, if done { Ok(()) } else { Err(why()) });
    }

    /// Leadership is gone, and with it what is known of the change.
    pub(super) fn give_up_change(&mut self, leader_id: i32, out: &mut Vec<ControllerCommand>) {
        if let Some(change) = self.change.take() {
            let response = ControllerResponse::not_controller(leader_id);
            out.push(ControllerCommand::Reply { request: change.request, response });
        }
    }
}

fn node_id(id: i32) -> Result<u64, Refusal> {
    u64::try_from(id).map_err(|_| (ResponseError::InvalidRequest, format!("voter id {id} is below 0")))
}

fn decode<M: Decodable + Message>(body: &[u8], version: i16) -> Result<M, ForwardResponse> {
    let refuse = |error: ResponseError| ForwardResponse {
        error_code: i32::from(error.code()),
        body: Vec::new(),
        metadata_offset: 0,
    };
    if !(M::VERSIONS.min..=M::VERSIONS.max).contains(&version) {
        return Err(refuse(ResponseError::UnsupportedVersion));
    }
    M::decode(&mut Bytes::copy_from_slice(body), version).map_err(|_| refuse(ResponseError::InvalidRequest))
}

fn reply(out: &mut Vec<ControllerCommand>, request: RequestId, what: What, version: i16, result: Result<(), Refusal>) {
    let (code, message) = match result {
        Ok(()) => (0, None),
        Err((error, why)) => {
            tracing::warn!(?what, error = error.code(), why, "a change of the voters is refused");
            (error.code(), Some(StrBytes::from_string(why)))
        }
    };
    let mut body = BytesMut::new();
    let encoded = match what {
        What::Add => {
            AddRaftVoterResponse::default().with_error_code(code).with_error_message(message).encode(&mut body, version)
        }
        What::Remove => RemoveRaftVoterResponse::default()
            .with_error_code(code)
            .with_error_message(message)
            .encode(&mut body, version),
    };
    let error_code = match encoded {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(%error, "an answer cannot be encoded");
            i32::from(ResponseError::UnknownServerError.code())
        }
    };
    let response = ForwardResponse { error_code, body: body.to_vec(), metadata_offset: 0 };
    out.push(ControllerCommand::Reply { request, response: response.into() });
}
