#include "api/preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "api/holders.h"
#include "platform/interface.h"

#define TRIED_ATTRIBUTE "trusted.evenkeel.try"

/* Never replicated, and never the home of what is (R9): the kernel's, and what lives a boot long.
 */
static const char *const system_places[] = { "/proc", "/sys", "/dev", "/run", "/var/log/journal" };

struct preflight {
	const struct preflight_site *site;
	const struct module_settings *module;
	struct preflight_findings *findings;
};

static void PRINTF_LIKE(2, 3) find(struct preflight *preflight, const char *format, ...)
{
	struct preflight_findings *findings = preflight->findings;
	va_list arguments;
	if (findings->count == PREFLIGHT_FINDINGS_MAX)
		return;
	char *out = findings->list[findings->count++].sentence;
	int used = snprintf(out, SENTENCE_SIZE_MAX, "module '%s': ", preflight->module->name);
	va_start(arguments, format);
	vsnprintf(out + used, SENTENCE_SIZE_MAX - (size_t)used, format, arguments);
	va_end(arguments);
}

/* The finding just made may be gone by the time of `start`. */
static void mark_passing(struct preflight *preflight)
{
	CHECK(preflight->findings->count > 0);
	preflight->findings->list[preflight->findings->count - 1].is_passing = true;
}

/* ---- directories ---- */

/* Gives true if the place is in the way; a place that does not exist is not. */
static bool overlaps_place(const char *real, const char *place)
{
	char real_place[PATH_SIZE_MAX];
	if (realpath(place, real_place) == NULL)
		return false;
	return config_path_is_within(real, real_place) || config_path_is_within(real_place, real);
}

static bool check_place(struct preflight *preflight, const char *path, const char *real)
{
	const struct preflight_site *site = preflight->site;
	const struct {
		const char *path, *name;
	} own[] = {
		{ site->config, "configuration" },
		{ site->state, "state" },
		{ site->run, "sockets" },
		{ site->programs, "programs" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(system_places); i++) {
		if (overlaps_place(real, system_places[i])) {
			find(preflight,
				"directory '%.150s' cannot be replicated: it contains %s or lies "
				"in "
				"it; name a directory that holds only the application's data",
				path, system_places[i]);
			return false;
		}
	}
	for (size_t i = 0; i < ARRAY_COUNT(own); i++) {
		if (overlaps_place(real, own[i].path)) {
			find(preflight,
				"directory '%.120s' cannot be replicated: it contains Evenkeel's "
				"own "
				"%s (%.120s) or lies there; name a directory that holds only the "
				"application's data",
				path, own[i].name, own[i].path);
			return false;
		}
	}
	return true;
}

static void check_neighbours(struct preflight *preflight, const char *path, const char *real)
{
	for (int i = 0; i < preflight->site->neighbour_count; i++) {
		const struct preflight_neighbour *neighbour = &preflight->site->neighbours[i];
		if (overlaps_place(real, neighbour->path)) {
			find(preflight,
				"directory '%.120s' and '%.120s' of module '%s' lie one in the "
				"other; two modules cannot replicate the same files",
				path, neighbour->path, neighbour->module);
			return;
		}
	}
}

/* A file without a name leaves no trace behind, not even a time; some file systems have none, then
 * the directory itself has to do. */
static int try_attribute(int directory)
{
	int fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		fd = fcntl(directory, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = fsetxattr(fd, TRIED_ATTRIBUTE, "x", 1, 0) == 0 ? 0 : -errno;
	if (error == 0 && fremovexattr(fd, TRIED_ATTRIBUTE) != 0)
		error = -errno;
	close(fd);
	return error;
}

static int try_handle(int directory)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} space = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
	int mount = 0;
	if (name_to_handle_at(directory, "", &space.handle, &mount, AT_EMPTY_PATH) != 0)
		return -errno;
	int fd = open_by_handle_at(directory, &space.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void check_file_system(struct preflight *preflight, const char *path, int directory)
{
	int error = try_attribute(directory);
	if (error == -EROFS) {
		find(preflight,
			"directory '%.150s' is on a file system that is mounted read-only; mount "
			"it "
			"for writing",
			path);
		return;
	}
	if (error == -EOPNOTSUPP || error == -EPERM)
		find(preflight,
			"directory '%.150s' is on a file system that cannot keep trusted.* "
			"extended "
			"attributes, which hold the objects' numbers; use ext4, XFS or btrfs",
			path);
	else if (error != 0)
		find(preflight,
			"directory '%.150s': an extended attribute could not be tried: %s; repair "
			"the "
			"file system first",
			path, strerror(-error));
	error = try_handle(directory);
	if (error == -EOPNOTSUPP)
		find(preflight,
			"directory '%.150s' is on a file system without file handles, by which "
			"objects are found again; use ext4, XFS or btrfs",
			path);
	else if (error != 0)
		find(preflight, "directory '%.150s': a file handle could not be tried: %s", path,
			strerror(-error));
}

static void check_holders(struct preflight *preflight, const char *path)
{
	struct holders holders;
	char named[300] = "";
	size_t used = 0;
	int error = holders_find(path, preflight->site->programs, &holders);
	if (error != 0) {
		find(preflight, "directory '%.150s': who uses it could not be found out: %s", path,
			strerror(-error));
		return;
	}
	if (holders.count == 0)
		return;
	for (int i = 0; i < holders.count && i < 4; i++)
		used += (size_t)snprintf(named + used, sizeof(named) - used, "%s%s (pid %d, %s)",
			i == 0 ? "" : ", ", holders.list[i].name, (int)holders.list[i].pid,
			holders.list[i].how);
	if (holders.count > 4)
		snprintf(named + used, sizeof(named) - used, " and %d more", holders.count - 4);
	find(preflight,
		"directory '%.100s' is in use by %s; what they write would not be replicated: stop "
		"them first",
		path, named);
	mark_passing(preflight);
}

static void find_why_not_opened(struct preflight *preflight, const char *path, int error)
{
	if (error == ENOENT)
		find(preflight,
			"directory '%.150s' is missing on this node; mount its disk, or, if it is "
			"new, make it (mkdir -p), with the owner that the application wants",
			path);
	else if (error == ENOTDIR)
		find(preflight, "'%.150s' is not a directory; name a directory", path);
	else
		find(preflight, "directory '%.150s' cannot be opened: %s", path, strerror(error));
}

static void check_directory(struct preflight *preflight, const char *path)
{
	char real[PATH_SIZE_MAX];
	/* The place counts first: nobody should make a directory in /proc. */
	const char *place = realpath(path, real) != NULL ? real : path;
	if (!check_place(preflight, path, place))
		return;
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		find_why_not_opened(preflight, path, errno);
		return;
	}
	check_neighbours(preflight, path, place);
	check_file_system(preflight, path, directory);
	check_holders(preflight, path);
	close(directory);
}

/* ---- addresses ---- */

static void check_on_interface(struct preflight *preflight, const struct address_config *address,
	const char *shown, const struct ifaddrs *interfaces)
{
	bool is_near = false;
	for (const struct ifaddrs *at = interfaces; at != NULL; at = at->ifa_next) {
		struct address own;
		uint8_t prefix;
		if (!interface_entry(at, &own, &prefix))
			continue;
		if (address_is_equal(&own, &address->address)) {
			find(preflight,
				"address %s is set on %s of this node already; a virtual address "
				"is "
				"set and removed by Evenkeel alone: remove it (ip address del "
				"%s dev %s) and from the system's network configuration",
				shown, at->ifa_name, shown, at->ifa_name);
			mark_passing(preflight);
			return;
		}
		if (address->interface[0] != '\0' && strcmp(address->interface, at->ifa_name) != 0)
			continue;
		if ((at->ifa_flags & IFF_LOOPBACK) == 0 &&
			address_is_in_network(&address->address, &own, prefix))
			is_near = true;
	}
	/* With both named, nothing has to be guessed from the node's other addresses; IPv6 has its
	 * prefix without being told. */
	bool is_ipv6 = address->address.family == ADDRESS_IPV6;
	bool has_prefix = address->prefix != 0 || is_ipv6;
	if (!is_near && (!has_prefix || address->interface[0] == '\0'))
		find(preflight,
			"address %s lies in no network of this node%s%s; name an address of the "
			"clients' network, or give %s: %s%s@eth0",
			shown, address->interface[0] != '\0' ? "'s interface " : "",
			address->interface, is_ipv6 ? "its interface" : "prefix and interface",
			shown, is_ipv6 ? "" : "/24");
}

static bool is_ipv6_off(const struct address_config *address)
{
	char path[128], value = '0';
	if (address->address.family != ADDRESS_IPV6 || address->interface[0] == '\0')
		return false;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", address->interface);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true; /* this kernel has none */
	if (read(fd, &value, 1) != 1)
		value = '0';
	close(fd);
	return value == '1';
}

/* As what takes the address over looks for it. */
static bool has_hardware(const struct ifaddrs *interfaces, const char *name)
{
	const struct address none = { .family = ADDRESS_NONE };
	struct interface ignored;
	return interface_find_in(interfaces, &none, name, &ignored) == 0;
}

static void check_addresses(struct preflight *preflight)
{
	const struct module_settings *module = preflight->module;
	struct ifaddrs *interfaces = NULL;
	if (module->address_count == 0)
		return;
	if (getifaddrs(&interfaces) != 0) {
		find(preflight, "this node's addresses cannot be read: %s", strerror(errno));
		return;
	}
	struct config_error error = { "" };
	if (preflight_module_addresses(module, interfaces, &error) != 0)
		find(preflight, "%s", error.sentence);
	for (int i = 0; i < module->address_count; i++) {
		const struct address_config *address = &module->addresses[i];
		char shown[ADDRESS_TEXT_SIZE];
		(void)address_format(&address->address, shown);
		if (address->interface[0] != '\0' && if_nametoindex(address->interface) == 0)
			find(preflight,
				"address %s: there is no interface '%s' on this node; 'ip link' "
				"lists "
				"them",
				shown, address->interface);
		else if (address->interface[0] != '\0' &&
			 !has_hardware(interfaces, address->interface))
			find(preflight,
				"address %s: interface '%s' of this node has no hardware address "
				"(a loopback or a tunnel), so nobody can be asked or told there "
				"who has an address; name an Ethernet interface",
				shown, address->interface);
		else if (is_ipv6_off(address))
			find(preflight,
				"address %s: IPv6 is switched off on interface '%s' of this node; "
				"sysctl -w net.ipv6.conf.%s.disable_ipv6=0 switches it on",
				shown, address->interface, address->interface);
		else
			check_on_interface(preflight, address, shown, interfaces);
	}
	freeifaddrs(interfaces);
}

/* ---- scripts ---- */

static void check_program(struct preflight *preflight, const char *name, bool is_required)
{
	char path[PATH_SIZE_MAX];
	struct stat status;
	snprintf(path, sizeof(path), "%.3000s/bin/%.1000s", preflight->module->folder, name);
	if (stat(path, &status) != 0) {
		if (is_required)
			find(preflight,
				"the check's program '%.200s' is missing; put it there, or "
				"correct 'command' in module.yaml",
				path);
		return;
	}
	if (!S_ISREG(status.st_mode) || (status.st_mode & 0111) == 0)
		find(preflight, "script '%.200s' is not executable; chmod +x it", path);
}

/* A single is neither primary nor secondary: such a script would never run. */
static bool is_pairs(enum script script)
{
	return script == SCRIPT_START_PRIM || script == SCRIPT_STOP_PRIM ||
	       script == SCRIPT_START_SECOND || script == SCRIPT_STOP_SECOND;
}

static void check_pairs(struct preflight *preflight, const char *name)
{
	char path[PATH_SIZE_MAX];
	snprintf(path, sizeof(path), "%.3000s/bin/%.1000s", preflight->module->folder, name);
	if (access(path, F_OK) == 0)
		find(preflight,
			"script '%.200s' never runs: a module of kind single is neither primary "
			"nor "
			"secondary; its scripts are start_both and stop_both (prestart before, "
			"poststop after)",
			path);
}

static void check_commands(struct preflight *preflight)
{
	const struct module_settings *module = preflight->module;
	for (int i = 0; i < module->check_count; i++) {
		if (module->checks[i].kind == CHECK_COMMAND)
			check_program(preflight, module->checks[i].command, true);
	}
}

static void check_scripts(struct preflight *preflight)
{
	const struct module_settings *module = preflight->module;
	for (int i = 0; i < SCRIPT_COUNT; i++) {
		const char *name = script_name((enum script)i);
		if (module->kind == KIND_SINGLE && is_pairs((enum script)i))
			check_pairs(preflight, name);
		else
			check_program(preflight, name, false);
	}
	check_commands(preflight);
}

int preflight_programs(const struct config_modules *modules, struct config_error *out_error)
{
	for (int i = 0; i < modules->count; i++) {
		struct preflight_findings findings = { .count = 0 };
		struct preflight preflight = { .module = &modules->list[i], .findings = &findings };
		check_commands(&preflight);
		if (findings.count == 0)
			continue;
		snprintf(out_error->sentence, sizeof(out_error->sentence), "%s",
			findings.list[0].sentence);
		return -EINVAL;
	}
	return 0;
}

void preflight_check(const struct preflight_site *site, const struct module_settings *module,
	struct preflight_findings *out_findings)
{
	struct preflight preflight = { .site = site, .module = module, .findings = out_findings };
	memset(out_findings, 0, sizeof(*out_findings));
	for (int i = 0; i < module->directory_count; i++)
		check_directory(&preflight, module->directories[i]);
	check_addresses(&preflight);
	check_scripts(&preflight);
}

int preflight_neighbours(const struct module_settings *const *modules, int module_count,
	const char *except, struct preflight_neighbour **out_neighbours, int *out_count)
{
	int count = 0;
	for (int i = 0; i < module_count; i++)
		count += modules[i]->directory_count;
	struct preflight_neighbour *neighbours = calloc((size_t)count + 1, sizeof(*neighbours));
	if (neighbours == NULL)
		return -ENOMEM;
	count = 0;
	for (int i = 0; i < module_count; i++) {
		if (strcmp(modules[i]->name, except) == 0)
			continue;
		for (int d = 0; d < modules[i]->directory_count; d++) {
			struct preflight_neighbour *neighbour = &neighbours[count++];
			memcpy(neighbour->module, modules[i]->name, sizeof(neighbour->module));
			memcpy(neighbour->path, modules[i]->directories[d],
				sizeof(neighbour->path));
		}
	}
	*out_neighbours = neighbours;
	*out_count = count;
	return 0;
}
