/*
 * Conversions between JavaScript and C that every family of the addon uses, and its one way to throw.
 *
 * Rules of the addon: convert, call, throw. No policy, no state beyond what a system call needs, no C++ exceptions:
 * after throw_errno() the function must return at once.
 */
#pragma once

#include <napi.h>

#include <string>
#include <vector>

/* errno_error() makes, throw_errno() throws an Error whose properties errno (positive) and syscall say what the kernel
 * refused. */
Napi::Error errno_error(Napi::Env env, const char *syscall, int error);
Napi::Value throw_errno(Napi::Env env, const char *syscall, int error);
Napi::Value throw_type(Napi::Env env, const char *message);

int int_at(const Napi::CallbackInfo &info, size_t index);
uint32_t u32_at(const Napi::CallbackInfo &info, size_t index);
std::string string_at(const Napi::CallbackInfo &info, size_t index);

std::vector<std::string> to_strings(const Napi::Array &array);
/* A NULL-terminated vector of pointers into strings, for execve. */
std::vector<char *> to_pointers(std::vector<std::string> &strings);
std::vector<int> to_ints(const Napi::Array &array);

/* One line a family: its functions become properties of exports. */
void register_bpf(Napi::Env env, Napi::Object exports);
void register_execve(Napi::Env env, Napi::Object exports);
void register_fd(Napi::Env env, Napi::Object exports);
void register_memfd(Napi::Env env, Napi::Object exports);
void register_netlink(Napi::Env env, Napi::Object exports);
void register_netns(Napi::Env env, Napi::Object exports);
void register_process(Napi::Env env, Napi::Object exports);
void register_scm_rights(Napi::Env env, Napi::Object exports);
void register_seccomp(Napi::Env env, Napi::Object exports);
void register_seccomp_probe(Napi::Env env, Napi::Object exports);
void register_spawn(Napi::Env env, Napi::Object exports);
void register_zstd(Napi::Env env, Napi::Object exports);
