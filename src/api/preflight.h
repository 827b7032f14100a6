/*
 * Looks before a module is started, or added, at what only this node can know: directories, file
 * systems, places that must not be replicated, processes that still use them, addresses, scripts.
 *
 * Each finding is a sentence with what, where and what to do. Not for: the text of the
 * configuration (api/config.h); whether another host has an address (the daemon probes it before it
 * takes it). Reads all of /proc: any thread but the daemon's own. Called by `evenkeel module add`
 * and by evenkeeld before it obeys `start`; the addresses by whatever takes over a configuration.
 */
#ifndef EVENKEEL_API_PREFLIGHT_H
#define EVENKEEL_API_PREFLIGHT_H

#include <ifaddrs.h>

#include "api/config.h"
#include "base/limits.h"

#define PREFLIGHT_FINDINGS_MAX 16

/* A directory of another module. */
struct preflight_neighbour {
	char module[MODULE_NAME_MAX + 1];
	char path[PATH_SIZE_MAX];
};

struct preflight_site {
	const char *config, *state, *run, *programs; /* our own folders */
	const struct preflight_neighbour *neighbours;
	int neighbour_count;
};

struct preflight_finding {
	bool is_passing; /* in the way of `start` now, not of `module add`: it may be gone by then
			  */
	char sentence[SENTENCE_SIZE_MAX];
};

struct preflight_findings {
	int count; /* 0: nothing is in the way */
	struct preflight_finding list[PREFLIGHT_FINDINGS_MAX];
};

/* Everything that is in the way of starting this module here, now. The module must be stopped. */
void preflight_check(const struct preflight_site *site, const struct module_settings *module,
	struct preflight_findings *out_findings);
/*
 * Whether the addresses of the nodes, of the modules (or NULL) and the ping target can be those of hosts
 * in this node's networks, and the target is not this node itself. Errors: -EINVAL, with a sentence;
 * of getifaddrs(3).
 */
int preflight_addresses(const struct cluster_config *cluster, const struct config_modules *modules,
	struct config_error *out_error) MUST_CHECK;
/* Whether the programs of the modules' checks are there, and executable. Errors: -EINVAL, with a sentence. */
int preflight_programs(
	const struct config_modules *modules, struct config_error *out_error) MUST_CHECK;
/* As preflight_addresses(), of one module, against a list of getifaddrs(3). */
int preflight_module_addresses(const struct module_settings *module,
	const struct ifaddrs *interfaces, struct config_error *out_error) MUST_CHECK;
/* The directories of all modules but the one named, for the site. Gives an array (free(3)).
 * Errors: -ENOMEM. */
int preflight_neighbours(const struct module_settings *const *modules, int module_count,
	const char *except, struct preflight_neighbour **out_neighbours, int *out_count) MUST_CHECK;

#endif
