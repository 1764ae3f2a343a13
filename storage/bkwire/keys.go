package bkwire

import "crypto/sha1"

// MasterKeyLen is the size of a master key.
const MasterKeyLen = sha1.Size

// MasterKey is what a client shows to a bookie with adds and fencing reads: SHA1("ledger" followed by the password). The
// key of an empty password is not zero.
func MasterKey(password []byte) [MasterKeyLen]byte { return keyed("ledger", password) }

// macKey is the key of DigestMAC.
func macKey(password []byte) [sha1.Size]byte { return keyed("mac", password) }

func keyed(purpose string, password []byte) [sha1.Size]byte {
	return sha1.Sum(append([]byte(purpose), password...))
}
