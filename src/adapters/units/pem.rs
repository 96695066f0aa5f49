//! What is in the PEM files that a configuration names.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// No file of certificates is longer: all authorities of the world have 300 KiB.
const LONGEST: u64 = 16 << 20;

/// Why a file can't be used.
type Problem = Box<dyn Error + Send + Sync>;

/// The certificates of a file, of which there is one at least.
///
/// # Errors
/// When it can't be read, or there is something else in it.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?).collect::<Result<_, _>>()?;
    if chain.is_empty() {
        return Err("holds no certificate in PEM".into());
    }
    for (index, certificate) in chain.iter().enumerate() {
        x509_parser::parse_x509_certificate(certificate)
            .map_err(|error| format!("certificate {} in it: {error}", index + 1))?;
    }
    Ok(chain)
}

/// The first private key of a file.
///
/// # Errors
/// When it can't be read, or there is none in it.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    PrivateKeyDer::from_pem_slice(&read(file)?)
        .map_err(|_| "holds no private key in PEM that can be used without a password".into())
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 16 MiB",
        ));
    }
    Ok(bytes)
}
