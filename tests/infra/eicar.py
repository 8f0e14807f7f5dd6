"""The EICAR test file (eicar.org), which every malware scanner reports.

It is built at run time, so that no scanner reports this source file or its compiled form.
"""

EICAR = b"".join([rb"X5O!P%@AP[4\PZX54(P^)7CC)7}", b"$EICAR", b"-STANDARD-ANTIVIRUS-", b"TEST-FILE!", b"$H+H*"])
