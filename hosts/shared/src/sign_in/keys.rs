//! Verifying an issuer's signatures by ring, for jsonwebtoken, which brings no arithmetic of its own here. Nothing is
//! signed, and no algorithm with a shared secret is known: a public key can never pass for one.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature as by_ring;
use signature::Verifier;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// The algorithms that are taken.
pub(super) const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Makes jsonwebtoken verify by ring. Once a process; again is no fault.
pub fn install() {
    let _ = PROVIDER.install_default();
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if !ALGORITHMS.contains(algorithm) {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(Key { algorithm: *algorithm, key: key.clone() }))
}

struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for Key {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Key {
    fn verify(&self, message: &[u8], signed: &Vec<u8>) -> Result<(), signature::Error> {
        let rsa: Option<&by_ring::RsaParameters> = match self.algorithm {
            Algorithm::RS256 => Some(&by_ring::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Some(&by_ring::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Some(&by_ring::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Some(&by_ring::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Some(&by_ring::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Some(&by_ring::RSA_PSS_2048_8192_SHA512),
            _ => None,
        };
        let other: Option<&'static dyn by_ring::VerificationAlgorithm> = match self.algorithm {
            Algorithm::ES256 => Some(&by_ring::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Some(&by_ring::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Some(&by_ring::ED25519),
            _ => None,
        };
        let verified = match (self.key.kind(), rsa, other) {
            (DecodingKeyKind::RsaModulusExponent { n, e }, Some(parameters), _) => {
                by_ring::RsaPublicKeyComponents { n, e }.verify(parameters, message, signed)
            }
            (DecodingKeyKind::SecretOrDer(bytes), None, Some(algorithm)) => {
                by_ring::UnparsedPublicKey::new(algorithm, bytes).verify(message, signed)
            }
            _ => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}
