//! Replies, shaped for the version of their request.

use bytes::Bytes;
use odradek_wire::ResponseError;
use odradek_wire::messages::delete_groups_response::DeletableGroupResult;
use odradek_wire::messages::describe_groups_response::DescribedGroup;
use odradek_wire::messages::join_group_response::JoinGroupResponseMember;
use odradek_wire::messages::{
    DeleteGroupsResponse, DescribeGroupsResponse, HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse,
    ListGroupsResponse, OffsetDeleteResponse, SyncGroupResponse,
};
use odradek_wire::protocol::StrBytes;

use super::api::{GroupRequest, GroupResponse};
use super::state::Group;
use super::{commit, fetch};

pub(super) fn text(name: &str) -> StrBytes {
    StrBytes::from_string(name.to_owned())
}

pub(super) fn join_error(member_id: &str, error: ResponseError) -> GroupResponse {
    GroupResponse::Join(
        JoinGroupResponse::default()
            .with_error_code(error.code())
            .with_generation_id(-1)
            .with_protocol_name(Some(StrBytes::new()))
            .with_member_id(text(member_id)),
    )
}

/// A member's part in the current generation; the leader gets the list of members.
pub(super) fn joined(group: &Group, member_id: &str) -> JoinGroupResponse {
    let response = JoinGroupResponse::default()
        .with_generation_id(group.generation)
        .with_protocol_type(group.protocol_type.as_deref().map(text))
        .with_protocol_name(group.protocol.as_deref().map(text))
        .with_leader(group.leader.as_deref().map(text).unwrap_or_default())
        .with_member_id(text(member_id));
    if group.is_leader(member_id) { response.with_members(members_of(group)) } else { response }
}

pub(super) fn members_of(group: &Group) -> Vec<JoinGroupResponseMember> {
    let protocol = group.protocol.as_deref().unwrap_or_default();
    let members = group.members.values();
    members
        .map(|member| {
            JoinGroupResponseMember::default()
                .with_member_id(text(&member.id))
                .with_group_instance_id(member.instance_id.as_deref().map(text))
                .with_metadata(member.metadata(protocol))
        })
        .collect()
}

pub(super) fn sync_error(error: ResponseError) -> GroupResponse {
    GroupResponse::Sync(SyncGroupResponse::default().with_error_code(error.code()))
}

pub(super) fn synced(group: &Group, assignment: Bytes) -> GroupResponse {
    GroupResponse::Sync(
        SyncGroupResponse::default()
            .with_protocol_type(group.protocol_type.as_deref().map(text))
            .with_protocol_name(group.protocol.as_deref().map(text))
            .with_assignment(assignment),
    )
}

pub(super) fn heartbeat(result: Result<(), ResponseError>) -> GroupResponse {
    GroupResponse::Heartbeat(HeartbeatResponse::default().with_error_code(code(result)))
}

pub(super) fn leave_error(error: ResponseError) -> GroupResponse {
    GroupResponse::Leave(LeaveGroupResponse::default().with_error_code(error.code()))
}

pub(super) fn code<T>(result: Result<T, ResponseError>) -> i16 {
    result.map_or_else(|error| error.code(), |_| 0)
}

/// The answer to a request that cannot be looked at, since its group is not here or not yet.
pub(super) fn refused(request: &GroupRequest, api_version: i16, error: ResponseError) -> GroupResponse {
    match request {
        GroupRequest::Join(join) => join_error(&join.member_id, error),
        GroupRequest::Sync(_) => sync_error(error),
        GroupRequest::Heartbeat(_) => heartbeat(Err(error)),
        GroupRequest::Leave(_) => leave_error(error),
        GroupRequest::OffsetCommit(request) => commit::refused(request, error),
        GroupRequest::OffsetFetch(request) => fetch::refused(request, api_version, error),
        GroupRequest::DescribeGroups(request) => GroupResponse::DescribeGroups(
            DescribeGroupsResponse::default().with_groups(
                request
                    .groups
                    .iter()
                    .map(|id| DescribedGroup::default().with_group_id(id.clone()).with_error_code(error.code()))
                    .collect(),
            ),
        ),
        GroupRequest::ListGroups(_) => {
            GroupResponse::ListGroups(ListGroupsResponse::default().with_error_code(error.code()))
        }
        GroupRequest::DeleteGroups(request) => GroupResponse::DeleteGroups(
            DeleteGroupsResponse::default().with_results(
                request
                    .groups_names
                    .iter()
                    .map(|id| DeletableGroupResult::default().with_group_id(id.clone()).with_error_code(error.code()))
                    .collect(),
            ),
        ),
        GroupRequest::OffsetDelete(_) => {
            GroupResponse::OffsetDelete(OffsetDeleteResponse::default().with_error_code(error.code()))
        }
    }
}

/// What a reply becomes when the write that it waited for did not take place.
pub(super) fn failed(response: GroupResponse, error: ResponseError) -> GroupResponse {
    match response {
        GroupResponse::OffsetCommit(mut commit) => {
            let partitions = commit.topics.iter_mut().flat_map(|t| &mut t.partitions);
            for partition in partitions.filter(|partition| partition.error_code == 0) {
                partition.error_code = error.code();
            }
            GroupResponse::OffsetCommit(commit)
        }
        GroupResponse::Leave(_) => leave_error(error),
        GroupResponse::OffsetDelete(_) => {
            GroupResponse::OffsetDelete(OffsetDeleteResponse::default().with_error_code(error.code()))
        }
        other => other,
    }
}

/// What the log said about a write, in the words of the group protocol.
pub(super) fn write_error(code: i16) -> ResponseError {
    match ResponseError::try_from_code(code) {
        Some(
            ResponseError::UnknownTopicOrPartition
            | ResponseError::NotEnoughReplicas
            | ResponseError::NotEnoughReplicasAfterAppend
            | ResponseError::RequestTimedOut,
        ) => ResponseError::CoordinatorNotAvailable,
        Some(
            ResponseError::NotLeaderOrFollower | ResponseError::FencedLeaderEpoch | ResponseError::KafkaStorageError,
        ) => ResponseError::NotCoordinator,
        Some(ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge | ResponseError::InvalidFetchSize)
        | None => ResponseError::UnknownServerError,
        Some(other) => other,
    }
}
