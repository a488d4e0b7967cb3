//! Customers as a Manager knows them: by name, in a map that shares what has not changed with the one before. Decides
//! nothing: a hundred thousand of them are carried from one desired state to the next without being copied.

use super::CustomerAccess;
use crate::ids::CustomerId;
use alloc::{sync::Arc, vec::Vec};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<CustomerAccess>", into = "Vec<CustomerAccess>")]
pub struct Customers(OrdMap<CustomerId, Arc<CustomerAccess>>);

impl Customers {
    #[must_use]
    pub fn get(&self, customer: &CustomerId) -> Option<&CustomerAccess> {
        self.0.get(customer).map(AsRef::as_ref)
    }

    pub fn iter(&self) -> impl Iterator<Item = &CustomerAccess> {
        self.0.values().map(AsRef::as_ref)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn put(&mut self, access: CustomerAccess) {
        self.0.insert(access.customer.clone(), Arc::new(access));
    }

    pub fn forget(&mut self, customer: &CustomerId) {
        self.0.remove(customer);
    }
}

impl PartialEq for Customers {
    fn eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0) || self.0 == other.0
    }
}

impl FromIterator<CustomerAccess> for Customers {
    fn from_iter<I: IntoIterator<Item = CustomerAccess>>(customers: I) -> Self {
        let each = customers.into_iter();
        Self(each.map(|access| (access.customer.clone(), Arc::new(access))).collect())
    }
}

impl From<Vec<CustomerAccess>> for Customers {
    fn from(customers: Vec<CustomerAccess>) -> Self {
        customers.into_iter().collect()
    }
}

impl From<Customers> for Vec<CustomerAccess> {
    fn from(customers: Customers) -> Self {
        customers.iter().cloned().collect()
    }
}
