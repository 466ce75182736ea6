# Flags of AddressSanitizer and UndefinedBehaviorSanitizer; other scripts read this one.
# shellcheck disable=SC2034
# Addresses are AddressSanitizer's part: the last three would take most of the compiler's time.
sanitized="-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all"
sanitized="$sanitized -fno-sanitize=null,object-size,pointer-overflow"
# For kernels, which keep their vectors in registers, where no scope ends.
unscoped="-fno-sanitize-address-use-after-scope"
