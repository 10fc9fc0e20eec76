host = s3.eu-central-1.amazonaws.com
use_https = true
backend = s3
aws_region = eu-central-1
aws_auth_sign_version = 4
access_key = "ACCESS-KEY"
secret_key = "SECRET-KEY"
pricing_dir = ""
