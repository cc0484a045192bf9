// What the system said when it refused a file, without the code before it and the call behind it, which mean nothing to most people.

/** `permission denied`, `no such file or directory`; other errors say what they say. */
export function systemReason(error: unknown): string {
  const { code, syscall, message } = error as NodeJS.ErrnoException
  if (!code || !syscall || !message.startsWith(`${code}: `)) return message
  const end = message.indexOf(`, ${syscall}`)
  return message.slice(code.length + 2, end < 0 ? undefined : end)
}
