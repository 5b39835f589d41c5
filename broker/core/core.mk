EXTRA_DIST += %D%/acl.h %D%/client.h %D%/core.h %D%/exchange.h %D%/limits.h %D%/message.h \
	%D%/position.h %D%/producer.h %D%/publish.h %D%/queue.h %D%/retain.h %D%/session.h %D%/stream.h
