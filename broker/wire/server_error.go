package wire

import "github.com/strobemq/strobe/broker/wire/pb"

// ServerError is the protocol's own error, by which a client decides whether to retry.
type ServerError = pb.ServerError

// The names are the protocol's.
const (
	UnknownError                          = pb.ServerError_UNKNOWN_ERROR
	MetadataError                         = pb.ServerError_METADATA_ERROR
	PersistenceError                      = pb.ServerError_PERSISTENCE_ERROR
	AuthenticationError                   = pb.ServerError_AUTHENTICATION_ERROR
	AuthorizationError                    = pb.ServerError_AUTHORIZATION_ERROR
	ConsumerBusy                          = pb.ServerError_CONSUMER_BUSY
	ServiceNotReady                       = pb.ServerError_SERVICE_NOT_READY // look up again and retry
	ProducerBlockedQuotaExceededError     = pb.ServerError_PRODUCER_BLOCKED_QUOTA_EXCEEDED_ERROR
	ProducerBlockedQuotaExceededException = pb.ServerError_PRODUCER_BLOCKED_QUOTA_EXCEEDED_EXCEPTION
	ChecksumError                         = pb.ServerError_CHECKSUM_ERROR
	UnsupportedVersionError               = pb.ServerError_UNSUPPORTED_VERSION_ERROR
	TopicNotFound                         = pb.ServerError_TOPIC_NOT_FOUND
	SubscriptionNotFound                  = pb.ServerError_SUBSCRIPTION_NOT_FOUND
	ConsumerNotFound                      = pb.ServerError_CONSUMER_NOT_FOUND
	TooManyRequests                       = pb.ServerError_TOO_MANY_REQUESTS
	TopicTerminatedError                  = pb.ServerError_TOPIC_TERMINATED_ERROR
	ProducerBusy                          = pb.ServerError_PRODUCER_BUSY
	InvalidTopicName                      = pb.ServerError_INVALID_TOPIC_NAME
	IncompatibleSchema                    = pb.ServerError_INCOMPATIBLE_SCHEMA
	ConsumerAssignError                   = pb.ServerError_CONSUMER_ASSIGN_ERROR
	TransactionCoordinatorNotFound        = pb.ServerError_TRANSACTION_COORDINATOR_NOT_FOUND
	InvalidTxnStatus                      = pb.ServerError_INVALID_TXN_STATUS
	NotAllowedError                       = pb.ServerError_NOT_ALLOWED_ERROR
	TransactionConflict                   = pb.ServerError_TRANSACTION_CONFLICT
	TransactionNotFound                   = pb.ServerError_TRANSACTION_NOT_FOUND
	ProducerFenced                        = pb.ServerError_PRODUCER_FENCED
)
