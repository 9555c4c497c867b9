//! DescribeGroups and ListGroups.

use std::collections::BTreeMap;

use odradek_wire::ResponseError;
use odradek_wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use odradek_wire::messages::list_groups_response::ListedGroup;
use odradek_wire::messages::{GroupId, ListGroupsRequest};
use odradek_wire::protocol::StrBytes;

use super::Name;
use super::member::Member;
use super::response::text;
use super::state::{Group, State};

/// From here on a group that is not there is an error; before it was a dead group.
const GROUP_ID_NOT_FOUND: i16 = 6;
/// The type of all groups here (KIP-848 has others).
const CLASSIC: &str = "classic";

/// Describes one group. Which operations its reader is allowed is filled in by the caller.
pub(super) fn describe(groups: &BTreeMap<Name, Group>, id: &GroupId, api_version: i16) -> DescribedGroup {
    let described = DescribedGroup::default().with_group_id(id.clone());
    let Some(group) = groups.get(&***id).filter(|group| !group.is_unused()) else {
        let described = described.with_group_state(StrBytes::from_static_str("Dead"));
        if api_version < GROUP_ID_NOT_FOUND {
            return described;
        }
        let message = format!("Group {} not found.", &***id);
        return described
            .with_error_code(ResponseError::GroupIdNotFound.code())
            .with_error_message(Some(StrBytes::from_string(message)));
    };
    // Between two generations there is no protocol that all agree on.
    let protocol = match group.state {
        State::Stable => group.protocol.as_deref(),
        _ => None,
    };
    let members = group.members.values();
    described
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_protocol_type(group.protocol_type.as_deref().map(text).unwrap_or_default())
        .with_protocol_data(protocol.map(text).unwrap_or_default())
        .with_members(members.map(|member| describe_member(member, protocol)).collect())
}

fn describe_member(member: &Member, protocol: Option<&str>) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance_id.as_deref().map(text))
        .with_client_id(text(&member.client_id))
        .with_client_host(text(&member.client_host))
        .with_member_metadata(protocol.map(|name| member.metadata(name)).unwrap_or_default())
        .with_member_assignment(member.assignment.clone())
}

/// The groups of one partition that pass the filters. Filters do not mind upper and lower case.
pub(super) fn list(groups: &BTreeMap<Name, Group>, request: &ListGroupsRequest) -> Vec<ListedGroup> {
    let passes = |filter: &[StrBytes], name: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    if !passes(&request.types_filter, CLASSIC) {
        return Vec::new();
    }
    groups
        .values()
        .filter(|group| !group.is_unused() && passes(&request.states_filter, group.state.name()))
        .map(|group| {
            ListedGroup::default()
                .with_group_id(GroupId(text(&group.id)))
                .with_protocol_type(group.protocol_type.as_deref().map(text).unwrap_or_default())
                .with_group_state(StrBytes::from_static_str(group.state.name()))
                .with_group_type(StrBytes::from_static_str(CLASSIC))
        })
        .collect()
}
