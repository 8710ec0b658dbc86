//! Whose log this is: asked before the first page, bound with the first page.

use model::ids::SourceId;
use model::status::Trouble;
use store::{Conflict, StoreError};

use super::Poll;
use super::trouble::{self, Handled};

impl Poll<'_> {
    /// Before any page: whose org is this, and is it the one the source has been reading? `Some`:
    /// the poll ends with it.
    pub(super) async fn first_contact(&mut self) -> Result<Option<Handled>, StoreError> {
        let credential = &mut self.about.secret.credential;
        if credential.org_id.is_none() {
            match self.context.worker.okta.fetch_org(&self.origin).await {
                Ok(org) => credential.org_id = Some(org.id),
                Err(failure) => {
                    self.context.metrics.asked(failure.error.code());
                    return Ok(Some(trouble::of_first_contact(&failure)));
                }
            }
        }
        let theirs = credential.org_id.clone().unwrap_or_default();
        Ok(match self.about.source.org_id.clone() {
            Some(ours) if ours != theirs => Some(foreign(&Conflict::ForeignOrg { ours, theirs })),
            _ => None,
        })
    }

    /// With the first page of a poll, before it is stored: the org has accepted the credential, so
    /// it is the source's org from now on. A mistyped domain that is somebody else's never gets here.
    pub(super) async fn note_accepted(&mut self) -> Result<Option<Handled>, StoreError> {
        if self.accepted {
            return Ok(None);
        }
        let store = &self.context.worker.store;
        let credential = &self.about.secret.credential;
        if let Some(org) = credential.org_id.as_deref()
            && self.about.source.org_id.as_deref() != Some(org)
        {
            let source = SourceId(self.about.source.id);
            match store.bind_source_org(self.tenant, source, org).await {
                Ok(()) => {}
                Err(StoreError::Conflict(other @ Conflict::ForeignOrg { .. })) => {
                    return Ok(Some(foreign(&other)));
                }
                Err(error) => return Err(error),
            }
        }
        store
            .credential_accepted(self.tenant, credential, credential.org_id.as_deref())
            .await?;
        self.accepted = true;
        Ok(None)
    }
}

fn foreign(conflict: &Conflict) -> Handled {
    Handled::Hopeless(Trouble::ForeignOrg, conflict.to_string())
}
