//! Callers: who sent a request, as policies, records and logs see it.

use std::sync::Arc;

use super::{AccessRequest, Scope};

/// Who asks. The default is an anonymous caller without a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Whose credentials came with the request; `None` where none came.
    pub identity: Option<Arc<Identity>>,
    /// What the client's certificate says; empty where there is none.
    pub certificate: ClientCertificate,
    /// What the token may be used for that it showed; `None` where it showed
    /// none, and may do all that policies let it do.
    pub scope: Option<Arc<Scope>>,
}

/// One of the configured identities, whose credentials were verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As the configuration calls it.
    pub id: String,
    /// As the client calls itself.
    pub username: String,
}

/// The names in a client's certificate that was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its common names (CN).
    pub common_names: Vec<String>,
    /// Its organizations (O).
    pub organizations: Vec<String>,
}

impl Caller {
    /// Whether the request lies within what the caller's token is for.
    #[must_use]
    pub fn covers(&self, request: &AccessRequest) -> bool {
        self.scope
            .as_ref()
            .is_none_or(|scope| scope.covers(request))
    }

    /// The identity's id, for records and logs; `None` for an anonymous caller.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.id.as_str())
    }
}
