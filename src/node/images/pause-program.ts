// The program that holds a pod's namespaces open, as a static ELF file of a few hundred bytes. As process 1 it lets the kernel reap orphans (SIGCHLD
// ignored), waits, and ends on SIGTERM or SIGINT. It blocks both signals and takes them with rt_sigtimedwait, so it needs no handler: a blocked
// signal is delivered even to process 1.

export type Machine = 'x64' | 'arm64'

const BASE = 0x400000n
const HEADERS = 64 + 56
const ELF_MACHINE = { x64: 0x3e, arm64: 0xb7 }

const SIGCHLD = 17
const SIG_IGN = 1n
/** SIGINT (2) and SIGTERM (15). */
const WAITED = (1n << 1n) | (1n << 14n)

export function pauseProgram(machine: Machine): Buffer {
  const code = machine === 'x64' ? x64Code() : arm64Code()
  const data = Buffer.alloc(8 + 32)
  data.writeBigUInt64LE(WAITED, 0) // The signal set.
  data.writeBigUInt64LE(SIG_IGN, 8) // struct sigaction: handler, flags, restorer, mask.
  return Buffer.concat([elfHeaders(machine, code.length + data.length), code, data])
}

/** The data follow the code: the set at its end, the sigaction eight bytes on. */
function x64Code(): Buffer {
  const size = 88
  const set = size
  const action = size + 8
  const out = Buffer.alloc(size, 0x90)
  let at = 0
  const emit = (...bytes: number[]) => {
    for (const byte of bytes) out[at++] = byte
  }
  const immediate = (opcode: number[], value: number) =>
    emit(...opcode, value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255)
  const moveToAccumulator = (value: number) => immediate([0xb8], value) // mov eax, value
  const fourthArgument8 = () => immediate([0x41, 0xba], 8) // mov r10d, 8
  const address = (opcode: number[], target: number) => immediate(opcode, target - (at + opcode.length + 4)) // lea reg, [rip + ...]
  const syscall = () => emit(0x0f, 0x05)

  moveToAccumulator(14) // rt_sigprocmask(SIG_BLOCK, set, NULL, 8)
  emit(0x31, 0xff) // xor edi, edi
  address([0x48, 0x8d, 0x35], set) // lea rsi
  emit(0x31, 0xd2) // xor edx, edx
  fourthArgument8()
  syscall()
  moveToAccumulator(13) // rt_sigaction(SIGCHLD, action, NULL, 8)
  immediate([0xbf], SIGCHLD) // mov edi
  address([0x48, 0x8d, 0x35], action)
  emit(0x31, 0xd2)
  fourthArgument8()
  syscall()
  const wait = at
  moveToAccumulator(128) // rt_sigtimedwait(set, NULL, NULL, 8)
  address([0x48, 0x8d, 0x3d], set) // lea rdi
  emit(0x31, 0xf6) // xor esi, esi
  emit(0x31, 0xd2)
  syscall()
  emit(0x85, 0xc0) // test eax, eax
  emit(0x78, (wait - (at + 2)) & 255) // js wait
  moveToAccumulator(231) // exit_group(0)
  emit(0x31, 0xff)
  syscall()
  return out
}

function arm64Code(): Buffer {
  const size = 20 * 4
  const set = size
  const action = size + 8
  const out = Buffer.alloc(size)
  let at = 0
  const emit = (word: number) => {
    at = out.writeUInt32LE(word >>> 0, at)
  }
  const move = (register: number, value: number) => emit(0xd2800000 | (value << 5) | register) // movz x, #value
  const address = (register: number, target: number) => {
    const distance = target - at
    emit(0x10000000 | ((distance & 3) << 29) | (((distance >> 2) & 0x7ffff) << 5) | register) // adr x, target
  }
  const syscall = (number: number) => {
    move(8, number)
    emit(0xd4000001) // svc #0
  }

  move(0, 0) // rt_sigprocmask(SIG_BLOCK, set, NULL, 8)
  address(1, set)
  move(2, 0)
  move(3, 8)
  syscall(135)
  move(0, SIGCHLD) // rt_sigaction(SIGCHLD, action, NULL, 8)
  address(1, action)
  move(2, 0)
  move(3, 8)
  syscall(134)
  const wait = at
  address(0, set) // rt_sigtimedwait(set, NULL, NULL, 8): the fourth argument is still 8
  move(1, 0)
  syscall(137)
  emit(0xb7f80000 | ((((wait - at) >> 2) & 0x3fff) << 5)) // tbnz x0, #63, wait
  move(0, 0) // exit_group(0)
  syscall(94)
  return out
}

function elfHeaders(machine: Machine, payload: number): Buffer {
  const elf = Buffer.alloc(HEADERS)
  elf.write('\x7fELF', 'latin1')
  elf.set([2, 1, 1], 4) // 64 bit, little-endian, version 1
  elf.writeUInt16LE(2, 16) // an executable
  elf.writeUInt16LE(ELF_MACHINE[machine], 18)
  elf.writeUInt32LE(1, 20)
  elf.writeBigUInt64LE(BASE + BigInt(HEADERS), 24) // entry point
  elf.writeBigUInt64LE(64n, 32) // program headers
  elf.writeUInt16LE(64, 52)
  elf.writeUInt16LE(56, 54)
  elf.writeUInt16LE(1, 56)
  const segment = elf.subarray(64)
  segment.writeUInt32LE(1, 0) // loaded
  segment.writeUInt32LE(5, 4) // readable, executable
  segment.writeBigUInt64LE(BASE, 16)
  segment.writeBigUInt64LE(BASE, 24)
  segment.writeBigUInt64LE(BigInt(HEADERS + payload), 32)
  segment.writeBigUInt64LE(BigInt(HEADERS + payload), 40)
  segment.writeBigUInt64LE(0x1000n, 48)
  return elf
}
