//! Admission: so many requests at once, the others wait their turn.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::error::RegistryError;

/// How many requests may wait for each place that there is.
const WAITING_PER_PLACE: usize = 16;

/// The door: lets requests in, first come first served.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    bench: Semaphore,
    patience: Duration,
}

/// A place inside, held until it is dropped.
#[derive(Debug)]
pub struct Place(#[allow(dead_code)] OwnedSemaphorePermit);

impl Admission {
    /// A door to so many places (at least one), at which a request waits for
    /// at most `patience`.
    pub fn new(places: usize, patience: Duration) -> Self {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        let bench = places
            .saturating_mul(WAITING_PER_PLACE)
            .min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            bench: Semaphore::new(bench),
            patience,
        }
    }

    /// Waits for a place. [`RegistryError::TooManyRequests`] where too many
    /// wait already, or none became free in time.
    pub async fn enter(&self) -> Result<Place, RegistryError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place(place));
        }
        let Ok(_seat) = self.bench.try_acquire() else {
            return Err(RegistryError::TooManyRequests);
        };
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(self.patience, place).await {
            Ok(Ok(place)) => Ok(Place(place)),
            // Nobody closes the door, so this is the wait that was too long.
            Ok(Err(_)) | Err(_) => Err(RegistryError::TooManyRequests),
        }
    }
}

#[cfg(test)]
mod tests;
