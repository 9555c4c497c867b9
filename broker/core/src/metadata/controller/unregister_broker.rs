//! UnregisterBroker (KIP-631): a broker is taken out for good.

use std::collections::BTreeSet;

use odradek_wire::ResponseError;
use odradek_wire::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use super::Controller;
use super::api_error::ApiError;
use super::election::Loss;
use crate::metadata::record;

impl Controller {
    pub(super) fn unregister_broker(&mut self, request: &UnregisterBrokerRequest) -> UnregisterBrokerResponse {
        let done = self.unregister(request.broker_id.0);
        let (code, message) = ApiError::split(&done);
        UnregisterBrokerResponse::default().with_error_code(code).with_error_message(message)
    }

    fn unregister(&mut self, id: i32) -> Result<(), ApiError> {
        let broker = self.image.broker(id).cloned().ok_or_else(|| {
            ApiError::new(ResponseError::BrokerIdNotRegistered, format!("Broker ID {id} is not currently registered"))
        })?;
        if !broker.fenced {
            return Err(ApiError::new(
                ResponseError::InvalidRequest,
                format!("Broker {id} is alive: stop it first, or it would register again"),
            ));
        }
        tracing::info!(
            broker = id,
            epoch = broker.epoch,
            replicas = self.index.hosted(id).len(),
            "broker unregistered"
        );
        // Whoever registers under this id later is not known to be the one that held these.
        self.lose(&BTreeSet::from([id]), Loss::Data);
        self.sessions.close(id);
        self.write(record::UnregisterBroker { broker_id: id, broker_epoch: broker.epoch });
        Ok(())
    }
}
