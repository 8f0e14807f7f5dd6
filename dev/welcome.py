"""The text that `make run` prints when the clinic is ready."""

from string import Template

_WELCOME = Template(r"""
  Arthomed is up.  Ctrl-C stops it; your data stays in $var_dir (`make reset` empties it).

    API        $api/api          documents  $api/api/docs
    messages   $api/dev/mailbox  health     $api/health/ready

  Demo people, who sign in with a code from the messages page:
    admin 9000000001, receptionist 9000000002, doctors 9000000011 to 15, patients 9000000021 to 23

  A first booking, to copy and paste (sh, curl, python3):

API=$api JSON='Content-Type: application/json'
get() { python3 -c "import json, re, sys; got = json.load(sys.stdin); print($$1)" 2>/dev/null; }

# 1. request a code
curl -s $$API/api/auth/send-otp -H "$$JSON" -d '{"mobileNumber": "$patient"}'

# 2. read it on the messages page and sign in
sleep 2
CODE=$$(curl -s "$$API/dev/mailbox.json?to=$patient" | get 're.search(r"\b\d{6}\b", got["items"][0]["text"])[0]')
TOKEN=$$(curl -s $$API/api/auth/verify-otp -H "$$JSON" -d '{"mobileNumber": "$patient", "otp": "'$$CODE'"}' |
  get 'got["data"]["tokens"]["accessToken"]')

# 3. book the first free time of the next two weeks
AUTH="Authorization: Bearer $$TOKEN"
for DAY in $$(python3 -c 'from datetime import *; [print(date.today() + timedelta(n)) for n in range(1, 15)]'); do
  DOCTOR=$$(curl -s "$$API/api/users/doctors?date=$$DAY" -H "$$AUTH" | get 'got["data"]["items"][0]["_id"]')
  TIME=$$(curl -s "$$API/api/appointments/slots?doctorId=$$DOCTOR&date=$$DAY" -H "$$AUTH" |
    get 'got["data"]["availableSlots"][0]["startTime"]')
  curl -sf $$API/api/appointments/book -H "$$AUTH" -H "$$JSON" -d '{"doctorId": "'$$DOCTOR'", "appointmentDate":
    "'$$DAY'", "appointmentTime": "'$$TIME'", "reason": "Fever since yesterday"}' && break
done
""")


def welcome(*, port: int, var_dir: str) -> str:
    """Render the addresses, the demo users and the commands of a first booking."""
    return _WELCOME.substitute(api=f"http://127.0.0.1:{port}", var_dir=var_dir, patient="9000000021")
