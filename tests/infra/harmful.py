"""The file that every scanner agrees to call harmful (eicar.org), put together when it is needed: no scanner should
stop at this one, or at what Python compiles it to."""

EICAR = b"".join([rb"X5O!P%@AP[4\PZX54(P^)7CC)7}", b"$EICAR", b"-STANDARD-ANTIVIRUS-", b"TEST-FILE!", b"$H+H*"])
