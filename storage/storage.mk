EXTRA_DIST += %D%/log.h %D%/meta.h %D%/backend.h %D%/mem/mem_store.h %D%/lmdb/lmdb_store.h
