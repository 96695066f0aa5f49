//! Admission: so many requests at once, the others wait their turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::error::RegistryError;

/// How many requests may wait for each place that there is.
const WAITING_PER_PLACE: usize = 16;

/// The door: lets requests in, first come first served.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    count: Arc<Mutex<Count>>,
}

#[derive(Debug)]
struct Count {
    /// How many places there are.
    places: usize,
    /// How many more are taken: they go when they become free.
    surplus: usize,
    /// How many requests wait.
    waiting: usize,
}

/// Requests that hold a place, and requests that wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// Those that hold one.
    pub inside: usize,
    /// Those that wait.
    pub waiting: usize,
}

/// A place inside, held until it is dropped.
#[derive(Debug)]
pub struct Place {
    permit: Option<OwnedSemaphorePermit>,
    count: Arc<Mutex<Count>>,
}

/// A seat in front of the door, held until it is dropped.
struct Seat<'a>(&'a Mutex<Count>);

impl Admission {
    /// A door to so many places (at least one).
    pub fn new(places: usize) -> Self {
        let places = clamped(places);
        Self {
            places: Arc::new(Semaphore::new(places)),
            count: Arc::new(Mutex::new(Count {
                places,
                surplus: 0,
                waiting: 0,
            })),
        }
    }

    /// So many places from now on. Whoever is inside or waits stays.
    pub fn resize(&self, places: usize) {
        let places = clamped(places);
        let mut count = lock(&self.count);
        // What is given up but still taken counts as there.
        let there = count.places + count.surplus;
        count.places = places;
        count.surplus = there.saturating_sub(places);
        count.surplus -= self.places.forget_permits(count.surplus);
        self.places.add_permits(places.saturating_sub(there));
    }

    /// How many there are just now.
    pub fn crowd(&self) -> Crowd {
        let count = lock(&self.count);
        let taken = count.places + count.surplus;
        Crowd {
            inside: taken.saturating_sub(self.places.available_permits()),
            waiting: count.waiting,
        }
    }

    /// Waits for a place, for at most `patience`. [`RegistryError::TooManyRequests`]
    /// where too many wait already, or none became free in time.
    pub async fn enter(&self, patience: Duration) -> Result<Place, RegistryError> {
        let admitted = |permit| Place {
            permit: Some(permit),
            count: Arc::clone(&self.count),
        };
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(admitted(permit));
        }
        let _seat = Seat::take(&self.count)?;
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(patience, place).await {
            Ok(Ok(permit)) => Ok(admitted(permit)),
            // Nobody closes the door, so this is the wait that was too long.
            Ok(Err(_)) | Err(_) => Err(RegistryError::TooManyRequests),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = lock(&self.count);
        if let Some(permit) = self.permit.take().filter(|_| count.surplus > 0) {
            count.surplus -= 1;
            permit.forget();
        }
    }
}

impl<'a> Seat<'a> {
    fn take(count: &'a Mutex<Count>) -> Result<Self, RegistryError> {
        let mut counted = lock(count);
        if counted.waiting >= counted.places.saturating_mul(WAITING_PER_PLACE) {
            return Err(RegistryError::TooManyRequests);
        }
        counted.waiting += 1;
        Ok(Self(count))
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        lock(self.0).waiting -= 1;
    }
}

fn clamped(places: usize) -> usize {
    places.clamp(1, Semaphore::MAX_PERMITS)
}

fn lock(count: &Mutex<Count>) -> MutexGuard<'_, Count> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
