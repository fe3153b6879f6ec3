/* engine_contract.h: the promises of kv/engine.h (E1 to E5) as tests that run over any engine. */
#ifndef TESTS_SUPPORT_ENGINE_CONTRACT_H
#define TESTS_SUPPORT_ENGINE_CONTRACT_H

#include "kv/engine.h"

struct engine_fixture {
    void *ctx;
    /* The engine; of a durable one what it last held, else empty. */
    struct engine *(*open)(void *ctx);
    /* Durable engines: make the next open find nothing. May be NULL for others. */
    void (*wipe)(void *ctx);
    const struct ms_alloc *alloc; /* for the buffers of the test */
    bool durable;
    uint32_t rounds; /* of the random parts; 0: 300 */
};

/* Each fails the running test where a promise is broken. */
void engine_contract_order(const struct engine_fixture *f);   /* E1 */
void engine_contract_commit(const struct engine_fixture *f);  /* E2 */
void engine_contract_views(const struct engine_fixture *f);   /* E3 */
void engine_contract_random(const struct engine_fixture *f);  /* E1 to E3 against a model */
void engine_contract_replace(const struct engine_fixture *f); /* E5 */
void engine_contract_reopen(const struct engine_fixture *f);  /* E4, without crashes; durable ones */
void engine_contract_all(const struct engine_fixture *f);

#endif
