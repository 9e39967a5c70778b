/*
 * The resctrl ops on a made-up tree, since few machines have the real one: directories with the files that the kernel
 * would put there. What only the kernel does (files that come with a directory, what it refuses) is not tested here.
 */
#include "harness.h"

#define RESCTRL "/tmp/resctrl"
#define STATE	"/tmp/state"

static const struct args rdt_args = { .root = "/tmp", .id = "one", .status_fd = -1, .console_fd = -1 };

static void make_group(const char *path)
{
	char file[256];

	must(mkdir(path, 0755) == 0 || errno == EEXIST, path);
	(void)snprintf(file, sizeof(file), "%s/schemata", path);
	must(make_file(file, "    MB:0=100;1= 50\n    L3:0=0fffff;1=0000ff\n"), file);
	(void)snprintf(file, sizeof(file), "%s/tasks", path);
	must(make_file(file, ""), file);
	(void)snprintf(file, sizeof(file), "%s/mon_groups", path);
	must(mkdir(file, 0755) == 0 || errno == EEXIST, file);
}

static void fresh(void)
{
	close_fd(&ctx.rdt_mount_fd);
	close_fd(&ctx.rdt_fd);
	close_fd(&ctx.rdt_monitor_fd);
	ctx.args = &rdt_args;
	memset(&failure, 0, sizeof(failure));
}

static int group(const char *name, uint32_t flags)
{
	fresh();
	return RUN(rdt_group, .mount = str(RESCTRL), .group = str(name), .flags = flags);
}

static int schemata(const char *line)
{
	return RUN(rdt_schemata, .lines = STRV(line));
}

static int remove_all(const char *name)
{
	return RUN(rdt_remove, .mount = str(RESCTRL), .group = str(name), .monitor = str("\001I"));
}

static void test_made(void)
{
	OK(succeeded(group("\001I", 0)) && exists(RESCTRL "/one"), "RDT_GROUP makes the class of the container's id");
	OK(exists(STATE "/rdt-group"), "and notes that");
	make_group(RESCTRL "/one");
	must(make_file(RESCTRL "/one/schemata", ""), "schemata");
	OK(succeeded(schemata("L3:0=f\nMB:0=10\n")) && file_is(RESCTRL "/one/schemata", "L3:0=f\nMB:0=10\n"),
		"RDT_SCHEMATA writes into a class that was made");
	OK(succeeded(RUN(rdt_monitor, .name = str("\001I"))) && exists(RESCTRL "/one/mon_groups/one"),
		"RDT_MONITOR makes the monitoring group");
	must(make_file(RESCTRL "/one/mon_groups/one/tasks", ""), "tasks");
	ctx.init_pid = 4711;
	OK(succeeded(RUN(rdt_join)) && file_is(RESCTRL "/one/tasks", "4711") &&
			file_is(RESCTRL "/one/mon_groups/one/tasks", "4711"),
		"RDT_JOIN writes init's pid to both");
	/* A plain directory goes only when it is empty; the kernel's goes with all that is in it. */
	must(system("rm -r " RESCTRL "/one/*") == 0, "rm");
	OK(succeeded(remove_all("\001I")) && !exists(RESCTRL "/one"), "RDT_REMOVE removes the class that was made");
	OK(succeeded(remove_all("\001I")), "and does not mind that it is gone");
	must(unlink(STATE "/rdt-group") == 0 && unlink(STATE "/rdt-monitor") == 0, "unlink");
}

static void test_there(void)
{
	make_group(RESCTRL "/gold");
	OK(succeeded(group("gold", 0)) && !exists(STATE "/rdt-group"), "RDT_GROUP opens a class that is there");
	OK(succeeded(schemata("MB:0=100\n")) && succeeded(schemata("L3:1=ff;0=0xfffff\n")),
		"RDT_SCHEMATA finds the same values, however they are written, equal");
	OK(failed_as(schemata("L3:0=ff\n"), PROBLEM_RDT_DIFFERS, EINVAL) && detail_has("L3:0=ff"),
		"another mask differs, and the line is named");
	OK(failed_as(schemata("L3:2=ff\n"), PROBLEM_RDT_DIFFERS, EINVAL), "a domain that is not there differs");
	OK(failed_as(schemata("L2:0=ff\n"), PROBLEM_RDT_DIFFERS, EINVAL), "a resource that is not there differs");
	OK(file_is(RESCTRL "/gold/schemata", "    MB:0=100;1= 50\n    L3:0=0fffff;1=0000ff\n"),
		"and nothing is written");
	OK(succeeded(RUN(rdt_schemata, .lines = STRV("MB:0=20\n"), .flags = RDT_REPLACE)),
		"update writes all the same");
	/* A plain file keeps what is behind the text that was written over its start. */
	OK(file_is(RESCTRL "/gold/schemata", "MB:0=20\n=100;1= 50\n    L3:0=0fffff;1=0000ff\n"), "into the file");
	OK(succeeded(remove_all("gold")) && exists(RESCTRL "/gold"), "RDT_REMOVE leaves a class that was there");
}

static void test_root_class(void)
{
	make_group(RESCTRL);
	OK(succeeded(group("", 0)) && succeeded(schemata("MB:1=50\n")), "the empty name is the root class");
	OK(succeeded(RUN(rdt_monitor, .name = str("\001I"))) && exists(RESCTRL "/mon_groups/one"),
		"which may have monitoring groups");
	OK(succeeded(remove_all("")) && !exists(RESCTRL "/mon_groups/one") && exists(RESCTRL "/tasks"),
		"RDT_REMOVE removes the monitoring group that was made, and not the root");
	must(unlink(STATE "/rdt-monitor") == 0, "unlink");
}

static void test_refused(void)
{
	OK(failed_as(group("silver", RDT_MUST_EXIST), PROBLEM_SYSCALL, ENOENT) && !exists(RESCTRL "/silver") &&
			!exists(STATE "/rdt-group"),
		"RDT_GROUP makes nothing that must exist");
	OK(failed_as(group("../x", 0), PROBLEM_BAD_PLAN, EINVAL) && !exists("/tmp/x"), "nor anything outside");
	must(symlink(CANARY, RESCTRL "/link") == 0, "symlink");
	OK(group("link", 0) == -1 && failure.error == ENOTDIR, "RDT_GROUP follows no link");
}

int main(void)
{
	harness_start();
	must(mkdir(RESCTRL, 0755) == 0 && mkdir(STATE, 0711) == 0, "mkdir");
	ctx.state_fd = open(STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(ctx.state_fd >= 0, "open");
	test_made();
	test_there();
	test_root_class();
	test_refused();
	OK(canary_is_untouched(), "nothing outside was touched");
	return tap_done();
}
