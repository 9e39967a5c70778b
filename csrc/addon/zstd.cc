/*
 * zstdDecoder(windowLogMax): a streaming decompressor of libzstd; zstdDecode(decoder, input, output) → [used, written,
 * hint], hint 0 at the end of a frame. Left out where libzstd's headers were missing at the build.
 */
#include "values.h"

#ifdef TSRUN_ZSTD
#include <zstd.h>

static void free_decoder(Napi::Env, ZSTD_DCtx *decoder)
{
	ZSTD_freeDCtx(decoder);
}

static Napi::Value zstd_decoder(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	ZSTD_DCtx *decoder = ZSTD_createDCtx();

	if (decoder == nullptr)
		return throw_type(env, "zstd: out of memory");
	ZSTD_DCtx_setParameter(decoder, ZSTD_d_windowLogMax, int_at(info, 0));
	return Napi::External<ZSTD_DCtx>::New(env, decoder, free_decoder);
}

static Napi::Value zstd_decode(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	ZSTD_DCtx *decoder = info[0].As<Napi::External<ZSTD_DCtx>>().Data();
	Napi::Uint8Array from = info[1].As<Napi::Uint8Array>();
	Napi::Uint8Array to = info[2].As<Napi::Uint8Array>();
	ZSTD_inBuffer input = { from.Data(), from.ByteLength(), 0 };
	ZSTD_outBuffer output = { to.Data(), to.ByteLength(), 0 };
	size_t hint = ZSTD_decompressStream(decoder, &output, &input);

	if (ZSTD_isError(hint)) {
		Napi::Error::New(env, ZSTD_getErrorName(hint)).ThrowAsJavaScriptException();
		return env.Undefined();
	}
	Napi::Array result = Napi::Array::New(env, 3);
	result.Set(0u, Napi::Number::New(env, static_cast<double>(input.pos)));
	result.Set(1u, Napi::Number::New(env, static_cast<double>(output.pos)));
	result.Set(2u, Napi::Number::New(env, static_cast<double>(hint)));
	return result;
}

void register_zstd(Napi::Env env, Napi::Object exports)
{
	exports.Set("zstdDecoder", Napi::Function::New(env, zstd_decoder, "zstdDecoder"));
	exports.Set("zstdDecode", Napi::Function::New(env, zstd_decode, "zstdDecode"));
}
#else
void register_zstd(Napi::Env, Napi::Object) {}
#endif
