/* tsrun.node: the system calls that Node has no name for. src/native/addon.ts is its typed face. */
#include "values.h"

static Napi::Object init(Napi::Env env, Napi::Object exports)
{
	register_bpf(env, exports);
	register_execve(env, exports);
	register_fd(env, exports);
	register_memfd(env, exports);
	register_netlink(env, exports);
	register_netns(env, exports);
	register_process(env, exports);
	register_scm_rights(env, exports);
	register_seccomp(env, exports);
	register_seccomp_probe(env, exports);
	register_spawn(env, exports);
	register_zstd(env, exports);
	return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, init)
