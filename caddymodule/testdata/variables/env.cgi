#!/bin/sh
# Answers with the variables that a CGI gets of a request.
printf 'Content-Type: text/plain\r\n\r\n'
env
