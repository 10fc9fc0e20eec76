host = s3.example.com:9000
use_https = false
backend = s3
aws_region = us-east-1
aws_auth_sign_version = 4
access_key = "ACCESS-KEY"
secret_key = "SECRET-KEY"
pricing_dir = ""
