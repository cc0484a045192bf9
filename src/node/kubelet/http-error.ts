// An answer other than success, with the exact body to send.
export class HttpError extends Error {
  override name = 'HttpError'
  readonly status: number

  constructor(status: number, body: string) {
    super(body)
    this.status = status
  }
}
